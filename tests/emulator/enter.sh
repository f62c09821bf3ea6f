# Runs a command in a separate root, where /kaggle/working and /kaggle/input are the two given folders.
# All mounts are in a private mount namespace: they are invisible outside and vanish at the end.
# Usage: unshare --mount [--map-root-user] sh enter.sh NEW_ROOT WORKING INPUT COMMAND...
set -e
root=$1; working=$2; input=$3; shift 3
mount -t tmpfs -o size=1m tmpfs "$root"
for entry in /*; do
    if [ -L "$entry" ]; then
        cp -P "$entry" "$root$entry"
    elif [ -d "$entry" ] && [ "$entry" != /kaggle ]; then
        mkdir "$root$entry"
        mount --rbind "$entry" "$root$entry"
    fi
done
mkdir -p "$root/kaggle/working" "$root/kaggle/input"
mount --bind "$working" "$root/kaggle/working"
mount --bind "$input" "$root/kaggle/input"
mount -o remount,bind,ro "$root/kaggle/input" 2>/dev/null \
    || mount -o remount,bind,ro,nosuid,nodev "$root/kaggle/input"
exec chroot "$root" sh -c 'cd /kaggle/working && exec "$@"' sh "$@"
