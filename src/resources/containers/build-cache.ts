import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";

/**
 * perl(1): `list` prints the ids of all records of the builder's cache; `bound FILE BYTES` removes of those whose ids are in the file what
 * was not used for longest, until the rest is no more than that, and leaves in the file what is still there. Docker's API (`GET
 * /system/df`, `POST /build/prune`), because Docker's client tells ids and sizes in a way that differs from version to version.
 */
const cacheProgram = String.raw`alarm 300;
sub ask {
  my ($line) = @_;
  socket(my $docker, 1, 1, 0) or exit 1;
  connect($docker, pack("Sa108", 1, "/run/docker.sock")) or exit 1;
  syswrite $docker, "$line HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n";
  return join "", <$docker>;
}
sub records {
  # An Engine that is counting already (20.10) refuses: nothing is then known of the cache, and it is not empty.
  my $reply;
  for (1 .. 10) {
    $reply = ask("GET /system/df?type=build-cache");
    last if $reply =~ /"BuildCache":/;
    sleep 1;
  }
  exit 1 unless $reply =~ /"BuildCache":/;
  my %found;
  while ($reply =~ /\{"ID":"(\w+)".*?"InUse":(true|false),"Shared":(true|false),"Size":(\d+),"CreatedAt":"[^"]*","LastUsedAt":(?:"([^"]*)"|null)/g) {
    $found{$1} = { busy => $2 eq "true", size => $3 eq "true" ? 0 : $4, used => $5 // "" };
  }
  return \%found;
}
my ($mode, $file, $most) = @ARGV;
if ($mode eq "list") { print "$_\n" for sort keys %{records()}; exit }
open(my $in, "<", $file) or exit;
chomp(my @ours = <$in>);
# Records go after those that are made from them: what cannot go in one round may in the next.
for my $round (1 .. 20) {
  my $found = records();
  my %seen;
  @ours = grep { exists $found->{$_} && !$seen{$_}++ } @ours;
  my $total = 0;
  $total += $found->{$_}{size} for @ours;
  last if $most > 0 && $total <= $most;
  my $gone = 0;
  for my $id (sort { $found->{$a}{used} cmp $found->{$b}{used} } @ours) {
    last if $most > 0 && $total <= $most;
    next if $found->{$id}{busy};
    my $reply = ask("POST /build/prune?all=1&filters=%7B%22id%22%3A%7B%22$id%22%3Atrue%7D%7D");
    next unless $reply =~ /"CachesDeleted":\[[^\]]*"$id"/;
    $total -= $found->{$id}{size};
    $gone++;
  }
  last if !$gone;
}
open(my $out, ">", "$file.new") or exit 1;
print $out "$_\n" for @ours;
close $out;
rename "$file.new", $file;`;

/** Bytes of a stack's builds that the builder keeps, so that the next build of nearly the same is fast. */
const mostBytes = 4 * 1024 ** 3;

/** Before a build: what the builder has kept for others is theirs. */
export const noteCache = sh`rm -f cache-before
# An empty list would say that all there is came with this build.
if perl -e ${cacheProgram} list >cache-listed; then LC_ALL=C sort cache-listed >cache-before; fi
rm -f cache-listed`;

/** After it: what is new is ours, and bounded. */
export const boundCache = sh`if [ -e cache-before ]; then
  perl -e ${cacheProgram} list | LC_ALL=C sort | LC_ALL=C comm -13 cache-before - >>"$HOSTKIT_STACK_DIRECTORY/build-cache" || true
  rm -f cache-before
  ( flock 7; perl -e ${cacheProgram} bound "$HOSTKIT_STACK_DIRECTORY/build-cache" ${mostBytes} ) 7>>"$HOSTKIT_STACK_DIRECTORY/build-cache.lock" || true
fi`;

/** When an image goes for good: what was kept for building such. */
export const dropCache: Script = sh`[ ! -e "$HOSTKIT_STACK_DIRECTORY/build-cache" ] || perl -e ${cacheProgram} bound "$HOSTKIT_STACK_DIRECTORY/build-cache" 0 || true`;
