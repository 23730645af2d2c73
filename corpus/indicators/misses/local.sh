#!/bin/sh
curl -f http://localhost:8080/health || curl http://10.0.0.1/
# https://www.gnu.org/licenses/
