const m = /^x/.exec(req.query.name);
const id = req.params.id;
execFile('/usr/bin/uptime', [], cb);
