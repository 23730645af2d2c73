import paramiko

PASSWORD_LIST = {"web": "WEB_PASSWORD", "db": "DB_PASSWORD"}


def upload(host, files, environment):
    """Copies files. The password list above names where each password is."""
    client = paramiko.SSHClient()
    try:
        client.connect(host, username="deploy", password=environment[PASSWORD_LIST[host]])
    except paramiko.AuthenticationException:
        raise SystemExit("the password is not correct")
    for name in files:
        client.open_sftp().put(name, name)
