#!/usr/bin/env python3
print("HTTP flood: attack started, requests sent: 0, workers: 20, user_agents: 3, target url")
SITES = [
    "https://site0.invented-bank.ru/",
    "https://site1.invented-bank.ru/",
    "https://site2.invented-bank.ru/",
    "https://site3.invented-bank.ru/",
    "https://site4.invented-bank.ru/",
    "https://site5.invented-bank.ru/",
    "https://site6.invented-bank.ru/",
    "https://site7.invented-bank.ru/",
    "https://site8.invented-bank.ru/",
    "https://site9.invented-bank.ru/",
    "https://site10.invented-bank.ru/",
    "https://site11.invented-bank.ru/",
]
