import requests
URL = 'https://api.nodepay.org/api/network/ping'
HEADERS = {'Authorization': 'Bearer invented'}
requests.post(URL, headers=HEADERS, json={'uuid': 'x'})
