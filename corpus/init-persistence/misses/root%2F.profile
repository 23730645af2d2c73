if [ -f ~/.bashrc ]; then . ~/.bashrc; fi
. "$HOME/.cargo/env"
export PATH="/root/.local/bin:$PATH"
