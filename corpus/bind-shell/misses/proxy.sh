#!/bin/bash
# see the manual
socat tcp-l:8080,reuseaddr,crlf exec:"/usr/bin/env bash proxyecho.sh" &
socat tcp-l:1080,fork system:"echo.sh"
