#!/bin/sh
nmap -sV -p 22,80 192.168.0.0/24 -oX out.xml
masscan -p80 192.168.0.0/16 -oJ out.json
