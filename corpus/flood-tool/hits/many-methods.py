#!/usr/bin/env python3
# inert: a table and messages, no traffic
METHODS = ["udpflood", "synflood", "httpflood", "slowloris", "dns_amplification"]
print("attack started on", "target_ip", "threads:", 100)
print("packets sent: 0, duration 60")
