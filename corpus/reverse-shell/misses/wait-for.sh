#!/bin/bash
until (exec 3<>/dev/tcp/db.internal/5432) 2>/dev/null; do sleep 1; done
exec bash -i
