# Records of releases, read and written by the steps of a run: one file a release, releases/SERVICE/ID.jsonl in the stack's folder, one
# JSON object a line, of which the last word counts. docs/decisions/0029-a-release-is-a-record.md tells why. Whoever reads them on the
# controller is src/facts/containers/releases.ts: what is said here and there has to be the same.
#
# The folders belong to root alone. A file is changed by a new one in its place: whole or not at all.

# hk_release_state FILE: begun, serving, replaced, failed or withdrawn
hk_release_state() { sed -n 's/^{"state":"\([a-z]*\)".*/\1/p' "$1" | tail -n 1; }

# hk_is_bad STATE: nothing goes back to it, and nothing of it is needed
hk_is_bad() { [ "$1" = failed ] || [ "$1" = withdrawn ]; }

# hk_release_of FILE: "SLOT HASH IMAGE". The first line begins with these words, in which there is nothing that JSON would escape.
hk_release_of() { sed -n '1s/^{"service":"[^"]*","release":"\([^"]*\)","slot":"\([^"]*\)","image":"\([^"]*\)".*/\2 \1 \3/p' "$1"; }

# hk_release_origin FILE: the id of the record that it was gone back to, else its own
hk_release_origin() {
  hk_origin=$(sed -n '1s/.*,"back":"\([^"]*\)".*/\1/p' "$1")
  [ -n "$hk_origin" ] || { hk_origin=${1##*/}; hk_origin=${hk_origin%.jsonl}; }
  printf '%s\n' "$hk_origin"
}

# --- what releases need: the one place in shell; in TypeScript `needsOf` ---

# hk_good_releases: the files of all that serve, of whichever stack, or can be gone back to
hk_good_releases() {
  for hk_file in "${HOSTKIT_STACK_DIRECTORY%/*}"/*/releases/*/*.jsonl; do
    [ ! -e "$hk_file" ] || hk_is_bad "$(hk_release_state "$hk_file")" || printf '%s\n' "$hk_file"
  done
}

# hk_needed_images: references, digests and Docker's ids, one a line. Where the traffic goes counts too: that release may be older than
# records are.
hk_needed_images() {
  {
    hk_good_releases | while IFS= read -r hk_file; do
      hk_release_of "$hk_file" | cut -d ' ' -f 3
      sed -n 's/^{"imageId":"\([^"]*\)".*/\1/p' "$hk_file"
    done
    sed -sn '1s/^# hostkit: slot .*, image //p' "${HOSTKIT_CONFIGURATION:-/etc/hostkit}"/*/upstreams/* 2>/dev/null || :
  } | sed 'p; s/.*@//'
}

# hk_needs_image NAME…: whether one of these references, digests or ids is needed
hk_needs_image() {
  hk_needed=$(hk_needed_images)
  for hk_name; do
    if printf '%s\n' "$hk_needed" | grep -qxF -e "$hk_name"; then return 0; fi
  done
  return 1
}

# hk_needs_folder FOLDER: whether something in it is mounted
hk_needs_folder() {
  hk_good_releases | while IFS= read -r hk_file; do head -n 1 "$hk_file"; done | grep -qF -e "\"$1/"
}

# --- writing. hk_records is the service's folder, hk_switch what traffic.sh goes by; hk_files_a and hk_files_b are the
# files of a release in that slot: a line each, "plain PATH" or "secret PATH". hk_former and hk_failures: so many of those stay ---

# hk_take FILE: what was written beside it, as FILE.new, takes its place
hk_take() { sync "$1.new" && mv -f -- "$1.new" "$1"; }

# hk_amend FILE: adds what it reads
hk_amend() { (umask 077; cat -- "$1" - >"$1.new") && hk_take "$1"; }

# hk_set_state FILE STATE [SECONDS]
hk_set_state() { printf '{"state":"%s","at":%s}\n' "$2" "${3:-$(date +%s)}" | hk_amend "$1"; }

# hk_hash_files SLOT: the hashes of secrets are keyed, so that a record may be shown
hk_hash_files() {
  if [ "$1" = a ]; then hk_list=$hk_files_a; else hk_list=$hk_files_b; fi
  printf '%s\n' "$hk_list" | while read -r hk_kind hk_path; do
    [ -f "$hk_path" ] || continue
    if [ "$hk_kind" = secret ]; then
      hk_hash=$({ cat -- "${HOSTKIT_STACK_DIRECTORY%/*}/secret.key" "$hk_path"; echo; } | sha256sum)
      printf '{"file":"%s","keyed":"%.64s"}\n' "$hk_path" "$hk_hash"
    else
      hk_hash=$(sha256sum <"$hk_path")
      printf '{"file":"%s","sha256":"%.64s"}\n' "$hk_path" "$hk_hash"
    fi
  done
}

# hk_image_id IMAGE
hk_image_id() {
  hk_id=$(docker image inspect --format '{{.Id}}' "$1" 2>/dev/null) || return 0
  printf '{"imageId":"%s"}\n' "$hk_id"
}

# hk_list_releases [-r]: oldest first
hk_list_releases() { find "$hk_records" -name '*.jsonl' | LC_ALL=C sort "$@"; }

# hk_adopt_release SLOT HASH IMAGE: what serves and has no record gets one; sets hk_serving
hk_adopt_release() {
  hk_at=$(stat -c %Y "$(hk_mark)") || return 1
  hk_serving=$hk_records/$(date -u -d "@$hk_at" +%Y%m%dT%H%M%SZ)-$(printf %.4s "$2").jsonl
  (
    umask 077
    exec >"$hk_serving.new" || exit 1
    printf '{"service":"%s","release":"%s","slot":"%s","image":"%s","binds":[],"because":"it served before it had a record"}\n' \
      "${hk_records##*/}" "$2" "$1" "$3"
    hk_image_id "$3"
    hk_hash_files "$1"
    printf '{"state":"serving","at":%s}\n' "$hk_at"
  ) && hk_take "$hk_serving"
}

# hk_settle_releases: the switch says where the traffic goes, and the records follow. What it names serves; what served before is
# replaced, or withdrawn where a watch found it bad; what was begun and is not named has failed. Those beyond what stays go.
hk_settle_releases() {
  (umask 077; mkdir -p -- "$hk_records") || return 1
  hk_active=$(hk_traffic | sed -n 's/^# hostkit: slot \([ab]\), release \([0-9a-f]*\), image \(.*\)$/\1 \2 \3/p')
  hk_serving=
  if [ -n "$hk_active" ]; then
    for hk_file in $(hk_list_releases); do
      if ! hk_is_bad "$(hk_release_state "$hk_file")" && [ "$(hk_release_of "$hk_file")" = "$hk_active" ]; then hk_serving=$hk_file; fi
    done
    # Three words: an image's reference has no blanks.
    [ -n "$hk_serving" ] || hk_adopt_release $hk_active || return 1
  fi
  hk_replaced=0 hk_failed=0 hk_origins=
  [ -z "$hk_serving" ] || hk_origins=" $(hk_release_origin "$hk_serving") "
  for hk_file in $(hk_list_releases -r); do
    hk_state=$(hk_release_state "$hk_file")
    if [ "$hk_file" = "$hk_serving" ]; then
      [ "$hk_state" = serving ] || hk_set_state "$hk_file" serving || return 1
      continue
    fi
    case $hk_state in
      begun | '') hk_state=failed; hk_set_state "$hk_file" failed || return 1 ;;
      serving)
        hk_state=replaced
        if grep -q '^{"bad":' "$hk_file"; then hk_state=withdrawn; fi
        hk_set_state "$hk_file" "$hk_state" || return 1
        ;;
    esac
    if hk_is_bad "$hk_state"; then
      hk_failed=$((hk_failed + 1))
      [ "$hk_failed" -le "$hk_failures" ] || rm -f -- "$hk_file"
    else
      # One that was gone back to has a newer record of the same.
      hk_origin=$(hk_release_origin "$hk_file")
      case $hk_origins in *" $hk_origin "*) rm -f -- "$hk_file"; continue ;; esac
      hk_origins="$hk_origins $hk_origin "
      hk_replaced=$((hk_replaced + 1))
      [ "$hk_replaced" -le "$hk_former" ] || rm -f -- "$hk_file"
    fi
  done
  # What no release needs that can be gone back to.
  for hk_folder in "$hk_records"/*/; do
    hk_folder=${hk_folder%/}
    if [ ! -e "$hk_folder.jsonl" ] || hk_is_bad "$(hk_release_state "$hk_folder.jsonl")"; then rm -rf -- "$hk_folder"; fi
  done
  sync "$hk_records"
}

# hk_begin_release LINE IMAGE: settles the others and writes down what is about to be released; LINE is a file with the first line
hk_begin_release() {
  hk_settle_releases || return 1
  hk_run=${HOSTKIT_RUN##*/}
  # What starts it again is there before the record that says so.
  rm -rf -- "$hk_records/$hk_run"
  if [ -e kept ]; then
    chmod -R go= kept && mv -T -- kept "$hk_records/$hk_run" && sync "$hk_records/$hk_run"/* "$hk_records" || return 1
    hk_kept=true
  else
    hk_kept=false
  fi
  hk_by=$(sed 's/ since .*//' "$HOSTKIT_STACK_DIRECTORY/lock.holder" | tr -d '\000-\037"\\\177')
  (
    umask 077
    exec >"$hk_records/$hk_run.jsonl.new" || exit 1
    cat -- "$1" || exit 1
    printf '{"run":"%s","by":"%s","kept":%s}\n' "$hk_run" "$hk_by" "$hk_kept"
    hk_image_id "$2"
    printf '{"state":"begun","at":%s}\n' "$(date +%s)"
  ) && hk_take "$hk_records/$hk_run.jsonl" && sync "$hk_records"
}

# hk_note_files SLOT: of what this run releases, once they are there
hk_note_files() { hk_hash_files "$1" | hk_amend "$hk_records/${HOSTKIT_RUN##*/}.jsonl"; }
