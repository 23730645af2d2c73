#!/bin/sh
role=$(curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/)
echo "role $role"
aws s3 cp /backup s3://bucket/ --recursive
