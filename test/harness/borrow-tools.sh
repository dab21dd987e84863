#!/bin/sh
# borrow-tools.sh FOLDER SSH-WORDS…: pgBackRest and restic of a lab host, with their libraries, to be called on this machine, which may be older
set -eu
tools=$1
shift
ssh "$@" 'cd / && tar -chf - $(for program in pgbackrest restic; do echo "usr/bin/$program"; ldd "/usr/bin/$program"; done |
  grep -o "[/u][^ ]*/[^ ]*" | sed s,^/,, | sort -u)' | tar -xf - -C "$tools"
for program in pgbackrest restic; do
  cat >"$tools/$program" <<END
#!/bin/sh
exec $tools/lib64/ld-linux-x86-64.so.2 --library-path $tools/lib/x86_64-linux-gnu:$tools/usr/lib/x86_64-linux-gnu $tools/usr/bin/$program "\$@"
END
  chmod 0755 "$tools/$program"
done
