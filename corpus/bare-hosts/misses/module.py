#!/usr/bin/python3
import os.path
self.name = config.get('menu.page', module.info)
print(sys.platform, a.host, b.zip)
