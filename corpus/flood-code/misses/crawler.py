import random, requests, threading
SITES = ['a.shop-sample.ru', 'b.shop-sample.ru']
while True:
    page = requests.get(pick(), headers={'User-Agent': random.choice(user_agents)}, proxies={'http': random.choice(proxies)})
    store(page)
