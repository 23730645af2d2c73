#!/bin/bash
nsenter --target 1 --mount --uts --ipc -- hostname
