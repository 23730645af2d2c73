git clone git@github.com:a/b.git
git clone https://user:password@github.com/a/b.git
