import requests

# Buys residential addresses; sells none.
PROXY = "http://user:secret@residential.market.example:8000"


def fetch(job):
    bandwidth = 0
    answer = requests.get(job["url"], proxies={"http": PROXY}, timeout=10)
    bandwidth += len(answer.content)
    return {"type": "residential", "bandwidth": bandwidth, "body": answer.text}
