#!/bin/sh
echo ZWNobyBoaQo= | base64 -d | sh
