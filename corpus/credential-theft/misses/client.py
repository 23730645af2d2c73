import os
import requests

# The endpoint of ECS.
URL = 'http://169.254.170.2'

def credentials():
    return requests.get(URL + os.environ['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']).json()

def send(x):
    return requests.post('https://sts.amazonaws.com/', data=x)
