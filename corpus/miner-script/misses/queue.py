job_id = queue.submit(task)
while not done(job_id):
    poll(job_id)
hashlib.sha256(data)
