<?php
$t = preg_replace('/[^a-z]/', '', $_POST['t']);
include 'page.php';
$ok = in_array($_GET['a'], ['x', 'y']) ? $handler->run($_GET['a']) : null;
