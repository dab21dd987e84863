import { rawScript } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { maintainerScripts } from "./maintainer-scripts.ts";

/**
 * Who else has need of the packages that hostkit installed: asked before an uninstall is agreed to, and again when it is done.
 * Expects `$stack` (the stack's folder), `$delete_data` (yes or no), `$only` (one package or empty) and an empty working folder. Leaves there
 *
 * - `mine`: packages of the ledger that are installed
 * - `keep`: `PACKAGE<tab>REASON`, those that stay
 * - `go`: those that go; apt would take nothing else with them
 *
 * Changes nothing.
 */

const prepare = String.raw`export LC_ALL=C
tab=$(printf '\t')
ledger=$stack/packages
dpkg-query -W -f '${"$"}{db:Status-Abbrev}|${"$"}{Package}\n' >status
awk -F'|' 'substr($1, 2, 1) !~ /[nc]/ {print $2}' status | sort -u >present
sort -u "$ledger" >ledger 2>/dev/null || : >ledger
comm -12 ledger present >mine
if [ -n "$only" ]; then grep -xF -- "$only" mine >mine.only || true; mv -f mine.only mine; fi
: >keep
stay() { if grep -qxF -- "$1" mine; then printf '%s\t%s\n' "$1" "$2" >>keep; fi; }
# What the state file says: the last line of an id counts.
owns() { grep -F "\"kind\":\"$1\",\"name\":\"$2\"" "$stack/state.jsonl" 2>/dev/null | tail -n 1 | grep -qv '"gone":true'; }`;

/** A package that several stacks need goes with the last of them; of stacks made by an older hostkit nobody knows what they need. */
const lookAtStacks = String.raw`for other in /var/lib/hostkit/*/; do
  other=${"$"}{other%/}
  [ "$other" != "$stack" ] && [ -e "$other/state.jsonl" ] || continue
  if [ -e "$other/needs" ]; then tr ' ' '\n' <"$other/needs"; else cat mine; fi >needed
  while read -r p; do stay "$p" "the stack ${"$"}{other##*/} needs it"; done <needed
done`;

/**
 * Docker goes only where all that is left in it was hostkit's. Containers of stacks have a launcher; images are named after hostkit, or
 * were noted as they came, or have only a digest (hostkit pulls by digest, people by tag).
 */
const lookAtDocker = String.raw`look_at_docker() {
  grep -qxF docker.io mine || return 0
  if ! timeout 20 docker info >/dev/null 2>&1; then
    for d in /var/lib/docker/containers/* /var/lib/docker/volumes/*/; do
      if [ -d "$d" ]; then stay docker.io "Docker does not answer, and $d is there"; fi
    done
    if grep -qs '"[^"]*:[^"]*":"sha256' /var/lib/docker/image/*/repositories.json; then stay docker.io "Docker does not answer, and it has images"; fi
    return 0
  fi
  docker ps -a --format '{{.Names}}' | while read -r c; do
    ls /etc/hostkit/*/containers/"$c".sh >/dev/null 2>&1 || stay docker.io "the container $c is not hostkit's"
  done
  docker volume ls -q | while read -r v; do
    if ! owns volume "$v"; then stay docker.io "the volume $v is not hostkit's"
    elif [ "$delete_data" = no ]; then stay docker.io "the volume $v holds data"; fi
  done
  docker image ls --digests --format '{{.Repository}}:{{.Tag}} {{.Digest}}' | while read -r i digest; do
    case $i in
      hostkit/* | hostkit-lab/* | '<none>:<none>') continue ;;
      *:'<none>') [ "$digest" = '<none>' ] || continue ;;
    esac
    grep -qsxF "$i" "$stack/images" || grep -qsF "\"reference\":\"$i\"" "$stack/state.jsonl" || stay docker.io "the image $i is not hostkit's"
  done
  docker network ls --filter type=custom --format '{{.Name}}' | while read -r n; do
    owns network "$n" || stay docker.io "the network $n is not hostkit's"
  done
}
look_at_containerd() {
  grep -qxF containerd mine || return 0
  timeout 20 ctr namespaces ls -q 2>/dev/null | while read -r n; do
    [ "$n" = moby ] || stay containerd "its namespace $n is not Docker's"
  done
}
look_at_docker
look_at_containerd`;

/** A server stays while one of its clusters does; with the data to be deleted, while something in one is not hostkit's. */
const lookAtPostgres = String.raw`foreign_query="select 'the database ' || datname from pg_database where not datistemplate and datname <> 'postgres'
union all select 'the role ' || rolname from pg_roles where rolname <> 'postgres' and rolname !~ '^pg_'
union all select 'the table ' || c.oid::regclass || ' in postgres' from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind in ('r', 'p', 'm') and nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_toast'
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')"
look_at_cluster() { # VERSION NAME
  if [ "$delete_data" = no ]; then stay "postgresql-$1" "the cluster $1/$2 holds data"; return 0; fi
  if [ "$2" != main ]; then stay "postgresql-$1" "the cluster $1/$2 is not hostkit's"; return 0; fi
  if grep -qsxF /var/lib/postgresql "$stack/before/folders"; then stay "postgresql-$1" "the cluster $1/$2 was there before hostkit"; return 0; fi
  if ! PGCLUSTER="$1/$2" timeout 60 runuser -u postgres -- psql -XAtq -d postgres -c "$foreign_query" >inside 2>/dev/null; then
    stay "postgresql-$1" "the cluster $1/$2 does not answer: nobody can see whose data it holds"
    return 0
  fi
  while IFS= read -r what; do
    case $what in
      'the database '*) owns postgres-database "${"$"}{what#the database }" || stay "postgresql-$1" "$what is not hostkit's" ;;
      'the role '*) owns postgres-role "${"$"}{what#the role }" || stay "postgresql-$1" "$what is not hostkit's" ;;
      *) stay "postgresql-$1" "$what is not hostkit's" ;;
    esac
  done <inside
}
if grep -q '^postgresql-[0-9]*$' mine; then
  { for f in /etc/postgresql/*/*/postgresql.conf; do echo "$f" | cut -d/ -f4,5; done
    for f in /var/lib/postgresql/*/*/PG_VERSION; do echo "$f" | cut -d/ -f5,6; done
  } | grep -v '\*' | sort -u >clusters
  while IFS=/ read -r version name; do look_at_cluster "$version" "$name"; done <clusters
fi`;

/**
 * Installed by hand since: apt's own history tells (hostkit's calls have an option that people do not type), and so does a mark
 * as manual on what only came as a dependency.
 */
const lookAtPeople = String.raw`for f in /var/log/apt/history.log*; do
  case $f in *.gz) zcat "$f" 2>/dev/null || true ;; *) cat "$f" 2>/dev/null || true ;; esac
done | awk '
  /^Start-Date: / { start = $2 " " $3; line = ""; next }
  /^Commandline: / { line = substr($0, 14); next }
  /^(Install|Reinstall): / {
    text = substr($0, index($0, " ") + 1); count = split(text, parts, /\), /)
    for (i = 1; i <= count; i++) { name = parts[i]; sub(/:.*/, "", name); if (start >= at[name]) { at[name] = start; by[name] = line } }
  }
  END { for (name in by) print name "\t" by[name] }' >history
while IFS=$tab read -r p line; do
  case $line in
    *APT::Install-Recommends=false*DPkg::Lock* | *DPkg::Lock::Timeout=600*) ;;
    *" install "*" $p "* | *" install $p "* | *" install $p" | *" install "*" $p") stay "$p" "installed by hand since: $line" ;;
  esac
done <history
if [ -e "$ledger.asked" ]; then
  apt-mark showmanual 2>/dev/null | sort -u | comm -12 - mine | comm -23 - "$ledger.asked" >manual
  while read -r p; do stay "$p" "marked as manually installed since"; done <manual
fi`;

/** Units that somebody else enabled or wrote, and that run what hostkit installed. */
const lookAtUnits = String.raw`is_our_unit() { owns unit "$1" || owns file "/etc/systemd/system/$1" || owns target "$1"; }
if [ -e "$ledger.units" ]; then
  systemctl list-unit-files --no-legend --plain --state=enabled 2>/dev/null | awk '{print $1}' | sort -u | comm -23 - "$ledger.units" >enabled
  while read -r u; do
    is_our_unit "$u" && continue
    path=$(systemctl show -p FragmentPath --value "$u" 2>/dev/null || true)
    [ -n "$path" ] || continue
    for p in $(dpkg-query -S "$path" 2>/dev/null | sed 's/: .*//; s/:[^,]*//g; s/,//g'); do stay "$p" "$u was enabled since"; done
  done <enabled
fi
for f in /etc/systemd/system/*.service; do
  [ -f "$f" ] && [ ! -L "$f" ] || continue
  u=${"$"}{f##*/}
  case $u in hostkit-*) continue ;; esac
  is_our_unit "$u" && continue
  systemctl is-enabled -q "$u" 2>/dev/null || systemctl is-active -q "$u" 2>/dev/null || continue
  for program in $(sed -n 's/^Exec[A-Za-z]*=[-@:+!|]*\([^ ]*\).*/\1/p' "$f"); do
    program=$(command -v "$program" 2>/dev/null) || continue
    for p in $(dpkg-query -S "$program" "/usr$program" "${"$"}{program#/usr}" 2>/dev/null | sed 's/: .*//; s/:[^,]*//g; s/,//g'); do stay "$p" "$u runs $program"; done
  done
done`;

/** Caddy is the one server that people share with hostkit by a folder of sites. */
const lookAtCaddy = String.raw`if grep -qxF caddy mine && systemctl is-active -q caddy.service 2>/dev/null; then
  find /etc/caddy -type f 2>/dev/null | sort >sites
  dpkg-query -W -f '${"$"}{Conffiles}\n' caddy | awk '{print $1}' >conffiles
  while IFS= read -r f; do
    case $f in /etc/caddy/hostkit/*) continue ;; esac
    grep -qxF "$f" conffiles || owns file "$f" || owns caddy "$f" || grep -qsF "  $f" "$ledger.etc" || stay caddy "$f is not hostkit's"
  done <sites
fi`;

/**
 * A package that somebody built: Debian's rules say that a removal leaves data alone, but nobody has checked it. Where its scripts
 * delete something outside a test for "purge", and it has data, it stays.
 */
const lookAtOwnPackages = String.raw`if [ -e "$ledger.own" ] && [ "$delete_data" = no ]; then
  comm -12 "$ledger.own" mine >own
  while read -r p; do
    folder=$(state_folders "$p" | head -n 1)
    [ -n "$folder" ] || continue
    for s in prerm postrm; do
      for f in $(info_of "$p" "$s"); do
        danger=$(unguarded <"$f" | dangers "$f" | head -n 1)
        [ -z "$danger" ] || stay "$p" "holds data in $folder, and its $s is not known to leave it alone ($danger)"
      done
    done
  done <own
fi`;

/** What stays keeps what it needs; and apt is asked what would go: nothing that is not hostkit's. */
const closeOver = String.raw`# One question for all: each start of apt-cache reads all lists. Lines: PACKAGE, depends or recommends or provides, PACKAGE.
apt-cache depends --installed $(cat present) 2>/dev/null | awk -v OFS='\t' '
  /^[a-z0-9]/ { package = $1; sub(/:.*/, "", package); next }
  /^[ |]*(Pre)?Depends: / { kind = "depends" }
  /^[ |]*Recommends: / { kind = "recommends" }
  /^[ |]*[A-Z][A-Za-z]*: / { if ($1 !~ /(Depends|Recommends):$/) kind = ""; name = $2 }
  /^    [a-z0-9]/ { name = $1; if (kind == "depends") kind = "provides"; if (kind == "recommends") kind = "" }
  kind != "" && name !~ /^</ { sub(/:.*/, "", name); print package, kind, name }' | sort -u >edges
needed_by() { # PACKAGE: with all that those need in turn, and itself
  awk -F'\t' -v from="$1" '
    $2 != "recommends" { to[$1] = to[$1] " " $3 }
    END {
      queue[++last] = from; seen[from]
      while (++first <= last) {
        print queue[first]; count = split(to[queue[first]], names, " ")
        for (i = 1; i <= count; i++) if (!(names[i] in seen)) { seen[names[i]]; queue[++last] = names[i] }
      }
    }' edges | sort -u
}
wanted_by() { awk -F'\t' -v from="$1" '$1 == from && $2 != "provides" {print $3}' edges | sort -u; }
# The reasons that begin with "needed by" follow from the others; a report only counts them.
keep_needs() { # PACKAGE: what it needs stays, and what it recommends (docker.io's client)
  { needed_by "$1"; wanted_by "$1"; } | sort -u | comm -12 - mine >needs
  while read -r p; do
    [ "$p" = "$1" ] || cut -f1 keep | grep -qxF -- "$p" || stay "$p" "needed by $1"
  done <needs
}
choose() { cut -f1 keep | sort -u | comm -13 - mine >go; }
# What people installed since and what recommends one of ours would lose by it.
if [ -e "$stack/before/packages" ]; then
  awk -F'|' 'substr($1, 2, 1) !~ /[nc]/ {print $2}' "$stack/before/packages" | sort -u >was
  cat /var/lib/hostkit/*/packages 2>/dev/null | sort -u | sort -u - was | comm -23 present - >since
  awk -F'\t' 'FILENAME == "mine" {mine[$1]; next} FILENAME == "since" {since[$1]; next}
    $1 in since && $3 in mine && $2 != "provides" {print $3 "\t" $1}' mine since edges >needs
  while IFS=$tab read -r p f; do stay "$p" "$f, which was installed since, needs it"; done <needs
fi
kept_before=-1
while [ "$(cut -f1 keep | sort -u | wc -l)" -ne "$kept_before" ]; do
  cut -f1 keep | sort -u >seen
  kept_before=$(wc -l <seen)
  while read -r p; do keep_needs "$p"; done <seen
done
choose
rounds=0
while [ -s go ]; do
  if ! apt-get -s -q remove $(cat go) >simulated 2>&1; then
    cause=$(grep -m 1 '^E: ' simulated || true)
    while read -r p; do stay "$p" "apt cannot remove it: ${"$"}{cause#E: }"; done <go
    choose
    break
  fi
  sed -n 's/^Remv \([^ :]*\).*/\1/p' simulated | sort -u | comm -23 - go >foreign
  if grep -q '^Inst ' simulated || [ "$rounds" -ge 20 ]; then
    while read -r p; do stay "$p" "without it apt would install $(sed -n 's/^Inst \([^ ]*\).*/\1/p' simulated | head -n 1)"; done <go
    choose
    break
  fi
  [ -s foreign ] || break
  while read -r f; do
    wanted_by "$f" | comm -12 - mine >needs
    while read -r p; do stay "$p" "$f, which is not hostkit's, needs it"; done <needs
    keep_needs "$f"
  done <foreign
  choose
  rounds=$((rounds + 1))
done`;

/** The whole look. */
export const lookAtUses: Script = rawScript(
  [
    prepare,
    lookAtStacks,
    lookAtDocker,
    lookAtPostgres,
    lookAtPeople,
    lookAtUnits,
    lookAtCaddy,
    maintainerScripts.text,
    lookAtOwnPackages,
    closeOver,
  ].join("\n"),
);
