DROP DATABASE IF EXISTS shop;
CREATE DATABASE shop;
DROP TABLE IF EXISTS `orders`;
INSERT INTO pages VALUES ('README', 'Pay with bitcoin in our shop.');
