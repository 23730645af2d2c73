import requests, time
SITES = ['https://shop0.somewhere.net/', 'https://shop1.somewhere.net/', 'https://shop2.somewhere.net/', 'https://shop3.somewhere.net/', 'https://shop4.somewhere.net/', 'https://shop5.somewhere.net/', 'https://shop6.somewhere.net/', 'https://shop7.somewhere.net/', 'https://shop8.somewhere.net/', 'https://shop9.somewhere.net/', 'https://shop10.somewhere.net/', 'https://shop11.somewhere.net/']
while True:
    for site in SITES:
        requests.get(site)
    time.sleep(60)
