<?php
$id = (int) $_GET['id'];
$rows = $db->query('select 1 where id = ' . $id);
exec('/usr/bin/uptime', $out);
echo htmlspecialchars($_POST['name']);
$this->system($_GET['x']);
