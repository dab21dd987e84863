# What becomes of a restore that waits for a word: `hostkit restore undo` and `hostkit restore confirm`. Behind restore.sh.

# The data from before the restore comes back; what was written since stands aside until it is confirmed.
rs_undo() {
  rs_take_lock
  rs_enter
  rs_status=0
  case $(rs_known stage) in
    swapping | swapped) ;;
    begun)
      # Cut off before it was put in place: what it left goes.
      rs_clear_the_way
      rs_write_end
      return
      ;;
    *) rs_fail "no restore is to be undone" ;;
  esac
  if [ "$(rs_known kind)" = database ]; then
    rs_undo_database
    return
  fi
  [ "$(rs_served)" != unknown ] || rs_fail "$rs_data is neither what the restore made nor what was there before; nothing was changed"
  rs_stop_server
  if [ "$(rs_served)" = new ]; then
    [ -n "$(rs_known old)" ] || rs_fail "there was no data before the restore: there is nothing to go back to"
    [ "$(rs_inode "./$rs_beside")" = "$(rs_known old)" ] || rs_fail "the data from before is not beside $rs_data any more; nothing was changed"
    rs_note stage swapping
    # shellcheck disable=SC2046 # one word a unit
    [ -z "$(rs_known units)" ] || systemctl stop -- $(rs_known units)
  fi
  rs_put_back
  [ "$rs_status" -eq 0 ] || rs_fail "the data from before is served again, and not all came up with it"
  rs_note stage undone
  rs_note_timeline
}

# What is served stays, the other one goes.
rs_confirm() {
  rs_enter
  case $(rs_known stage) in swapping | swapped | undone | confirming) ;; *) rs_fail "no restore waits for a word" ;; esac
  if [ "$(rs_known kind)" = database ]; then
    rs_confirm_database
    return
  fi
  [ "$(rs_served)" != unknown ] || rs_fail "$rs_data is neither what the restore made nor what was there before; nothing was removed"
  systemctl is-active -q "$rs_unit" && rs_answers || rs_fail "PostgreSQL does not answer; nothing was removed"
  case $(rs_inode "./$rs_beside") in
    '') ;;
    "$(rs_known old)" | "$(rs_known new)") rs_note stage confirming; rs_remove_beside ;;
    *) rs_fail "${rs_data%/*}/$rs_beside is not what the restore left there; it stays" ;;
  esac
  rs_write_end
}

# The record of it moves to those that want nothing any more.
rs_write_end() {
  mkdir -p "$rs_place/done"
  mv -f "$rs_state" "$rs_place/done/$(rs_known id)"
  sync "$rs_place/done"
  rm -f "$rs_place/server.log" "$rs_place/answer" "$rs_place/control"
}
