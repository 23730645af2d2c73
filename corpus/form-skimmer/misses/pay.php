<?php
$auth = base64_encode($user . ':' . $secret);
$c = curl_init('https://api.bank.example/pay');
curl_setopt($c, CURLOPT_HTTPHEADER, array('Authorization: Basic ' . $auth));
curl_setopt($c, CURLOPT_POSTFIELDS, http_build_query($_POST));
