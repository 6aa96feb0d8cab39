#!/bin/sh
# Let a berth in: make a Docker host ready for it, or undo that.
#
#   host-setup.sh --key-file FILE     the public key, as "berth keygen" made it
#   host-setup.sh --key 'ssh-ed25519 AAAA...'
#   host-setup.sh --uninstall         take away all that the others did
#
#   --dry-run            say what would be done, and do nothing
#   --user NAME          the account to make (berth)
#   --socket PATH        the engine's socket (/var/run/docker.sock)
#   --ports ADDRESS      the key also reaches TCP ports on this loopback address,
#                        on which "berth check" says that its runner's published
#                        ports are; may be given several times
#   --policy FILE        the key may do no more than this policy says: each of
#                        its connections runs "berth stdio --policy FILE" here
#   --berth PATH         that program, if it is not in the PATH
#   --sshd-config FILE   the configuration of sshd (/etc/ssh/sshd_config)
#
# Run as root. It makes an account without password and shell that may use the
# engine's socket, a file of keys that only root can write to, and a Match block
# for sshd that leaves the account nothing but that socket: no shell, terminal,
# TCP port (but those of --ports), agent or file transfer, and no other way to
# log in. Everything is checked before anything is done; what fails all the same
# is taken back.
#
# Run it again with another key, and both are let in.
set -eu
umask 022

user=berth socket=/var/run/docker.sock sshd_config=/etc/ssh/sshd_config
key='' policy='' berth='' ports='' dry_run=no action=install
comment='berth, made by host-setup.sh'
begin='# begin berth' end='# end berth'

die()
{
    echo "host-setup.sh: $*" >&2
    exit 1
}

say()
{
    printf '%s\n' "$*"
}

# This file's head; "sh -s <host-setup.sh" has no file to read it from.
usage()
{
    sed -n '2,21s/^# \{0,1\}//p' "$0" 2>/dev/null || say "the options are at the head of host-setup.sh"
}

read_key_file()
{
    [ -r "$1" ] || die "$1 cannot be read"
    [ "$(grep -c . "$1")" = 1 ] || die "$1 is not one line: give a public key, one at a time"
    grep . "$1"
}

while [ $# -gt 0 ]; do
    values=1
    case $1 in
    --uninstall | --dry-run | --help | -h) values=0 ;;
    esac
    [ $# -gt $values ] || die "$1 wants a value; see --help"
    case $1 in
    --key) key=$2 ;;
    --key-file) key=$(read_key_file "$2") ;;
    --user) user=$2 ;;
    --socket) socket=$2 ;;
    --ports) ports="$ports $2" ;;
    --policy) policy=$2 ;;
    --berth) berth=$2 ;;
    --sshd-config) sshd_config=$2 ;;
    --uninstall) action=uninstall ;;
    --dry-run) dry_run=yes ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && die "there is no option $1" ;;
    esac
    shift $((1 + values))
done

# ---- what is asked for ----

# Plain words only: they are in sshd's files, where others would need quotes.
plain_path()
{
    case $2 in
    /*) ;;
    *) die "$1 must be an absolute path, not $2" ;;
    esac
    case $2 in
    *[!A-Za-z0-9/._-]*) die "$1 $2: only letters, digits and / . _ - can be in it" ;;
    esac
}

case $user in
'' | [!a-z_]* | *[!a-z0-9_-]*) die "--user $user is no name for an account: a-z, 0-9, _ and -" ;;
root) die "--user root: berth wants an account of its own" ;;
esac
plain_path --socket "$socket"
plain_path --sshd-config "$sshd_config"
[ -z "$policy" ] || plain_path --policy "$policy"
for address in $ports; do
    case $address in
    127.*[!0-9.]* | *..* | *.) die "--ports $address is no loopback address" ;;
    127.*.*.*.*) die "--ports $address is no loopback address" ;;
    127.*.*.*) ;;
    *) die "--ports $address is no loopback address: 127.x.y.z, as \"berth check --connect\" says" ;;
    esac
done
[ -z "$ports" ] || [ -z "$policy" ] || die "--ports and --policy do not go together: with a policy over there, nothing is forwarded"
[ "$(id -u)" = 0 ] || die "run it as root"
PATH=$PATH:/usr/sbin:/sbin
for tool in sshd ssh-keygen useradd userdel getent stat runuser; do
    command -v $tool >/dev/null || die "there is no $tool on this machine"
done
sshd=$(command -v sshd)

# ---- what is there ----

[ -f "$sshd_config" ] || die "$sshd_config does not exist; name sshd's configuration with --sshd-config"
"$sshd" -t -f "$sshd_config" || die "$sshd_config is wrong before anything was done; correct it first"

keys=$(dirname "$sshd_config")/berth/$user.keys

# Our block goes into a file of its own where sshd reads a whole directory, and
# else to the end of its configuration.
included_directory()
{
    awk 'tolower($1) == "match" { exit }
         tolower($1) == "include" && $2 ~ /\/\*\.conf$/ {
             sub(/\/\*\.conf$/, "", $2)
             print $2 ~ /^\// ? $2 : "/etc/ssh/" $2
             exit
         }' "$sshd_config"
}
block=$sshd_config
directory=$(included_directory)
[ -z "$directory" ] || [ ! -d "$directory" ] || block=$directory/berth-$user.conf

has_account()
{
    getent passwd "$user" >/dev/null
}

account_is_ours()
{
    [ "$(getent passwd "$user" | cut -d: -f5)" = "$comment" ]
}

# FILE without our block in it.
without_block()
{
    [ ! -f "$1" ] || awk -v begin="$begin $user" -v end="$end $user" '
        $0 == begin { ours = 1 }
        !ours
        $0 == end { ours = 0 }' "$1"
}

# What one of sshd's settings is for our account.
setting()
{
    "$sshd" -T -f "$sshd_config" \
        -C "user=$user,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22" |
        sed -n "s/^$1 //p"
}

reload_sshd()
{
    if [ -d /run/systemd/system ]; then
        for unit in ssh sshd; do
            if systemctl --quiet is-active "$unit.service"; then
                systemctl reload "$unit.service"
                say "reloaded $unit.service"
                return
            fi
        done
    else
        pid_file=$(setting pidfile)
        if [ -s "$pid_file" ] && kill -HUP "$(cat "$pid_file")"; then
            say "reloaded sshd"
            return
        fi
    fi
    say "sshd is not running as a service: there is nothing to reload"
}

# Writes NEW over FILE, keeping a copy to take it back with; one that would be
# empty goes.
backup=''
replace()
{
    if [ -e "$2" ]; then
        cp -p "$2" "$backup/$(basename "$2")"
    else
        : >"$backup/$(basename "$2").absent"
    fi
    if [ -s "$1" ]; then
        # over the old one, whose owner and mode stay
        cat "$1" >"$2"
    else
        rm -f "$2"
    fi
}

put_back()
{
    name=$(basename "$1")
    if [ -e "$backup/$name.absent" ]; then
        rm -f "$1"
    elif [ -e "$backup/$name" ]; then
        cp -p "$backup/$name" "$1"
    fi
}

made_account=no
undo()
{
    rc=$?
    trap - EXIT
    if [ $rc != 0 ] && [ -n "$backup" ]; then
        put_back "$block"
        put_back "$keys"
        rmdir "$(dirname "$keys")" 2>/dev/null || true
        [ $made_account = no ] || userdel "$user"
        echo "host-setup.sh: it did not work; everything is as it was" >&2
    fi
    rm -rf "$work"
    exit $rc
}
work=$(mktemp -d)
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- taking it away ----

# Whoever is still logged in leaves: its key is good for nothing any more. Only
# sshd's processes: containers may well have others with the same number.
end_sessions()
{
    uid=$(id -u "$user")
    for signal in TERM TERM KILL KILL; do
        pids=$(awk -v uid="$uid" '
            $1 == "Name:" { name = $2 }
            $1 == "Pid:" { pid = $2 }
            $1 == "Uid:" && $2 == uid && name ~ /^sshd/ { print pid }
            ' /proc/[0-9]*/status 2>/dev/null) || true
        [ -n "$pids" ] || return 0
        # shellcheck disable=SC2086 # one word for each
        kill -$signal $pids 2>/dev/null || true
        sleep 1
    done
}

uninstall()
{
    [ -z "$key$policy" ] || die "--uninstall takes all keys away; it wants none, and no policy"
    ! has_account || account_is_ours ||
        die "the account $user was not made by this script, so it is not removed; see --user"
    without_block "$block" >"$work/block"
    : >"$work/nothing"
    : >"$work/plan"
    ! grep -qxF "$begin $user" "$block" 2>/dev/null || say "the Match block in $block goes" >>"$work/plan"
    [ ! -e "$keys" ] || say "the keys in $keys go" >>"$work/plan"
    ! has_account || say "the account $user goes" >>"$work/plan"
    [ -s "$work/plan" ] || die "there is nothing of the account $user here"
    cat "$work/plan"
    [ $dry_run = no ] || return 0
    backup=$work/backup
    mkdir "$backup"
    [ ! -f "$block" ] || replace "$work/block" "$block"
    "$sshd" -t -f "$sshd_config"
    [ ! -f "$keys" ] || replace "$work/nothing" "$keys"
    reload_sshd
    if has_account; then
        end_sessions
        said=$(userdel "$user" 2>&1) || die "$said"
    fi
    rmdir "$(dirname "$keys")" 2>/dev/null || true
    say "done"
}

if [ $action = uninstall ]; then
    uninstall
    exit 0
fi

# ---- whether it can be done ----

[ -n "$key" ] || { usage >&2 && die "which key? give it with --key-file or --key"; }
[ "$(printf '%s\n' "$key" | wc -l)" = 1 ] || die "the key is more than one line"
# one blank between its parts, whatever was between them and behind the last
key=$(printf '%s' "$key" | tr -d '\r')
set -f
# shellcheck disable=SC2086 # its words
set -- $key
set +f
key=$*
kind=${1:-} blob=${2:-}
[ -n "$blob" ] || die "the key has one part only; it is \"ssh-ed25519 AAAA... comment\""
case $kind in
ssh-ed25519 | ssh-rsa | ecdsa-sha2-* | sk-*) ;;
*) die "\"$kind...\" is no public key: it begins with ssh-ed25519, or the like, and has no options" ;;
esac
printf '%s\n' "$key" >"$work/key"
fingerprint=$(ssh-keygen -l -f "$work/key" 2>&1) || die "the key makes no sense: $fingerprint"
name=$(printf '%s\n' "$key" | cut -s -d' ' -f3- | tr -c 'A-Za-z0-9@._\n-' '_')

[ -S "$socket" ] || die "$socket is no socket; is the engine running? name its socket with --socket"
group=$(stat -L -c %G "$socket")
case $group in
root) die "$socket belongs to the group root; give the engine a group (docker, see dockerd --group) first" ;;
UNKNOWN) die "the group of $socket has no name; make one: groupadd --gid $(stat -L -c %g "$socket") docker" ;;
esac
case $(stat -L -c %A "$socket") in
????rw*) ;;
*) die "the group $group may not use $socket (mode $(stat -L -c %a "$socket")); see dockerd --group" ;;
esac
if has_account; then
    account_is_ours || die "there is an account $user, which this script did not make; take another name with --user"
elif getent group "$user" >/dev/null; then
    die "there is a group $user, but no account; take another name with --user"
fi

# The lists of who may log in at all hold for us as well.
matches_any()
{
    for word in $1; do
        for pattern in $2; do
            # shellcheck disable=SC2254 # sshd's patterns are the shell's
            case $word in
            ${pattern%%@*}) return 0 ;;
            esac
        done
    done
    return 1
}
set -f
for list in allowusers denyusers allowgroups denygroups; do
    patterns=$(setting $list)
    words=$user
    case $list in
    *groups) words="$user $group" ;;
    esac
    [ -n "$patterns" ] || continue
    case $list in
    allow*) matches_any "$words" "$patterns" || die "sshd's $list leaves out $user; add it in $sshd_config first" ;;
    deny*) ! matches_any "$words" "$patterns" || die "sshd's $list shuts out $user; see $sshd_config" ;;
    esac
done
set +f

# A policy that protects from whoever has the key is out of his reach.
check_policy()
{
    [ -n "$berth" ] || berth=$(command -v berth) || die "there is no berth in the PATH; name it with --berth"
    plain_path --berth "$berth"
    for file in "$policy" "$berth"; do
        [ -f "$file" ] || die "$file does not exist"
        case $(stat -L -c '%u %A' "$file") in
        '0 '?????-?r-*) ;;
        *) die "$file must belong to root, be written to by nobody else, and be read by all (chown root, chmod go=rX)" ;;
        esac
    done
    "$berth" check "$policy" >/dev/null || die "the policy $policy is wrong"
}
[ -z "$policy" ] || check_policy

# ---- what to write ----

# The socket under both of its names: /var/run is /run on most machines.
names=$socket
case $socket in
/var/run/*) other=${socket#/var} ;;
*) other=/var$socket ;;
esac
[ "$(stat -L -c %d:%i "$other" 2>/dev/null)" != "$(stat -L -c %d:%i "$socket")" ] ||
    names="$socket $other"

if [ -n "$policy" ]; then
    shell=/bin/sh forced=none forwarding=no
    options="restrict,command=\"$berth stdio --policy $policy\""
else
    shell=$(command -v nologin || echo /bin/false)
    forced=$shell forwarding=local
    options="restrict,port-forwarding,command=\"$shell\""
fi
# sshd's words for a socket to forward to: a "host" in brackets, any "port".
permitted=''
for path in $names; do
    permitted="$permitted [$path]:*"
    [ -n "$policy" ] || options="$options,permitopen=\"[$path]:*\""
done
for address in $ports; do
    permitted="$permitted $address:*"
    options="$options,permitopen=\"$address:*\""
done
# The account's other keys keep theirs; each is held to its own line.
for address in $(sed -n "/^$begin $user\$/,/^$end $user\$/s/^ *PermitOpen //p" "$block" 2>/dev/null | tr ' ' '\n' | grep '^127\.'); do
    case " $permitted " in
    *" $address "*) ;;
    *) permitted="$permitted $address" ;;
    esac
done
line="$options $kind $blob${name:+ $name}"

# The Match block is for one way only.
! has_account || [ "$(getent passwd "$user" | cut -d: -f7)" = "$shell" ] ||
    die "the keys of $user are let in in the other way (with or without --policy); take another --user for this one"

if [ -f "$keys" ]; then
    grep -vF " $blob" "$keys" >"$work/keys" || true
fi
printf '%s\n' "$line" >>"$work/keys"

cat >"$work/ours" <<END
$begin $user
Match User $user
    AuthenticationMethods publickey
    PubkeyAuthentication yes
    AuthorizedKeysFile $keys
    AuthorizedKeysCommand none
    AllowStreamLocalForwarding $forwarding
    AllowTcpForwarding $forwarding
    PermitOpen$([ -z "$policy" ] && echo "$permitted" || echo " none")
    PermitListen none
    AllowAgentForwarding no
    GatewayPorts no
    PermitTTY no
    PermitTunnel no
    PermitUserRC no
    X11Forwarding no
    ForceCommand $forced
    MaxSessions 256
$end $user
END
{
    without_block "$block"
    cat "$work/ours"
} >"$work/block"

show()
{
    say "$1:"
    sed 's/^/    /' "$2"
}

if has_account; then
    say "the account $user is there already"
else
    say "the account $user, with the group $group of $socket, no password, and $shell for a shell"
fi
show "the keys it is let in with, $keys" "$work/keys"
show "for sshd, in $block" "$work/ours"
say "this key: $fingerprint"
if [ $dry_run = yes ]; then
    say "nothing was done (--dry-run)"
    exit 0
fi

# ---- doing it ----

backup=$work/backup
mkdir "$backup"
if ! has_account; then
    # the "*" lets nobody in by a password, but is no "!", which locks keys out
    useradd --system --user-group --groups "$group" --no-create-home --home-dir / \
        --shell "$shell" --comment "$comment" --password '*' "$user"
    made_account=yes
fi
mkdir -p "$(dirname "$keys")"
replace "$work/keys" "$keys"
replace "$work/block" "$block"
"$sshd" -t -f "$sshd_config"
case $(setting authorizedkeysfile),$(setting forcecommand),$(setting allowstreamlocalforwarding) in
"$keys,$forced,$forwarding") ;;
*) die "another Match block of $sshd_config goes before ours; make it leave out $user" ;;
esac

# Does it work for the account, with what little sshd gives it?
as_account()
{
    said=$(runuser -u "$user" -- env -i PATH=/usr/bin:/bin HOME=/ USER="$user" LOGNAME="$user" \
        "$berth" "$@" </dev/null 2>&1) || die "as $user, \"berth $*\" says: $said"
}
if [ -n "$policy" ]; then
    as_account stdio --policy "$policy"
    as_account check --connect "$policy"
fi
reload_sshd
backup=''

host=$(hostname 2>/dev/null || uname -n)
port=$(setting port | grep -vx 22 | head -n 1) || true
path=$([ "$socket" = /var/run/docker.sock ] || echo "$socket")
cat <<END
done. In the policy of the berth that has the key:

${policy:+    "isolation": "none",
}    "upstream": {
      "url": "ssh://$user@$host${port:+:$port}$path",
      "identity": "/etc/berth/id_ed25519",
      "known_hosts": "/etc/berth/known_hosts"
    }

and in that known_hosts, one line for each of this machine's keys:

END
setting hostkey | while read -r file; do
    [ ! -r "$file.pub" ] || say "    ${port:+[}$host${port:+]:$port} $(cut -d' ' -f1,2 "$file.pub")"
done
