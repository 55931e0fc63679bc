#!/bin/bash
# A throw-away Debian 13 machine (systemd, cgroup v2 with every controller, a user "tester" with subordinate ids)
# under QEMU's software emulation, for what one development machine cannot show: pure cgroup v2, delegation by
# systemd, an ordinary user with and without a session of his own.
#
#   lab.sh build            make the machine's disk (once for each package list and Node.js binary, minutes)
#   lab.sh test [FILE...]   compile lib and the tests, boot, run them, print one line of sums
#   lab.sh shell COMMAND    boot with the same files and run COMMAND as root, for a look around
#
# test/lab/root*.test.ts run as root, session*.test.ts as tester in a service of his own systemd that has
# Delegate=yes, service*.test.ts as tester in a system service with Delegate=yes, plain*.test.ts as tester in a cgroup
# that is not his. FILEs are other test files to run as root
# (default: the ones of test/system that limits and lifetimes are tested by). Nothing of a run is kept.
# Emulated code runs about ten times slower: no duration from here means anything.
#
# Needs: apt-get install mmdebstrap qemu-system-x86 qemu-utils e2fsprogs
# LAB_CACHE   where disks are kept (default /var/tmp/vaina-lab)
# LAB_LIMIT   seconds that one boot may take (default 1500)
# LAB_RESULT  file for the sums as JSON
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
CACHE=${LAB_CACHE:-/var/tmp/vaina-lab}
LIMIT=${LAB_LIMIT:-1500}
SUITE=trixie
PACKAGES=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,linux-image-cloud-amd64,udev,kmod,iproute2,uidmap
PACKAGES+=,procps,busybox-static,libatomic1,libstdc++6,libseccomp2,libisal2,ca-certificates,attr
SYSTEM_FILES=(test/system/07-cgroup-v2.test.ts test/system/31-limits.test.ts test/system/33-lifecycle.test.ts test/system/50-crash.test.ts)

NODE=$(readlink -f "$(command -v node)")
KEY=$(echo "$SUITE $PACKAGES $(node --version) 1" | sha256sum | cut -c1-12)
BASE=$CACHE/$KEY

say() { echo "lab: $*" >&2; }

# Started by systemd in the guest: /dev/vdb is a tar archive of what this boot is to do.
guest_unit() {
  cat <<'UNIT'
[Unit]
After=multi-user.target dbus.service systemd-logind.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'tar -C / -xf /dev/vdb; exec /bin/bash /lab/start >/dev/ttyS1 2>&1 </dev/null'
UNIT
}

build() {
  [ ! -f "$BASE/disk" ] || return 0
  say "making the disk $BASE/disk"
  mkdir -p "$CACHE"
  local work root
  work=$(mktemp -d "$CACHE/build.XXXXXX")
  root=$work/root
  # shellcheck disable=SC2064
  trap "rm -rf --one-file-system '$work'" EXIT
  mmdebstrap --quiet --variant=minbase --include="$PACKAGES" "$SUITE" "$root"
  install -m755 "$NODE" "$root/usr/local/bin/node"
  # What a Node.js of the distribution is linked against and the guest lacks.
  ldd "$NODE" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | while read -r library; do
    [ -n "$(find "$root/usr/lib" "$root/lib/" -name "$(basename "$library")" -print -quit)" ] ||
      install -m644 "$library" "$root/usr/local/lib/"
  done
  chroot "$root" ldconfig
  chroot "$root" useradd -m -s /bin/bash tester
  grep -q ^tester: "$root/etc/subuid" || echo tester:100000:65536 | tee -a "$root/etc/subuid" >>"$root/etc/subgid"
  echo lab >"$root/etc/hostname"
  echo '/dev/vda / ext4 rw 0 0' >"$root/etc/fstab"
  mkdir -p "$root/etc/systemd/system/user@.service.d" "$root/etc/systemd/system/multi-user.target.wants"
  printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >"$root/etc/systemd/system/user@.service.d/delegate.conf"
  guest_unit >"$root/etc/systemd/system/lab.service"
  ln -s ../lab.service "$root/etc/systemd/system/multi-user.target.wants/lab.service"
  cp "$root"/boot/vmlinuz-* "$work/kernel"
  cp "$root"/boot/initrd.img-* "$work/initrd"
  truncate -s 6G "$work/disk"
  mkfs.ext4 -q -d "$root" "$work/disk"
  rm -rf --one-file-system "$root"
  trap - EXIT
  mv "$work" "$BASE"
}

# The package and its tests as plain JavaScript: compiling under emulation would take minutes.
compile() {
  local out=$1
  mkdir -p "$out"
  (cd "$REPO" && npx tsc -p test/lab/tsconfig.json --outDir "$out") >&2
  cp "$REPO/package.json" "$out/"
  find "$REPO/test" -type f ! -name '*.ts' ! -path '*/lab/lab.sh' -printf '%P\0' |
    (cd "$REPO/test" && tar --null -T - -cf -) | tar -C "$out/test" -xf -
  mkdir -p "$out/build/Release"
  find "$REPO/build/Release" -maxdepth 1 -type f -perm /111 -exec cp {} "$out/build/Release/" \;
  find "$REPO/build/Release" -maxdepth 1 -type f -name '*.node' -exec cp {} "$out/build/Release/" \;
  mkdir -p "$out/node_modules"
  tar -C "$REPO/node_modules" --exclude=./typescript --exclude=./typedoc --exclude=./prettier --exclude=./@shikijs \
    --exclude=./@typescript-eslint --exclude=./eslint --exclude=./@types --exclude=./better-sqlite3/deps \
    --exclude=./node-gyp --exclude=./nan --exclude='*/obj.target' --exclude='*.map' -cf - . | tar -C "$out/node_modules" -xf -
}

# boot TREE: the machine with TREE unpacked over its root; prints what /lab/start printed.
boot() {
  local tree=$1 work attempt
  for attempt in 1 2 3; do
    boot_once "$tree"
    # The emulator loses a race with the kernel that patches itself, now and then: at its boot, or when the first limit
    # of processor time switches code of the scheduler on.
    [ "$STARTED" -eq 0 ] || [ "$PANICKED" -gt 0 ] || return 0
    [ "$attempt" -lt 3 ] || return 0
    say 'the kernel of the machine did not hold; once more'
  done
}

boot_once() {
  local tree=$1 work
  work=$(mktemp -d "$CACHE/run.XXXXXX")
  tar -C "$tree" --owner=0 --group=0 -cf "$work/files" .
  truncate -s %512 "$work/files"
  qemu-img create -q -f qcow2 -b "$BASE/disk" -F raw "$work/disk"
  : >"$work/out"
  tail -f "$work/out" --pid=$$ 2>/dev/null &
  local tail=$!
  timeout "$LIMIT" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 2560 -smp 2 -display none -no-reboot -net none \
    -kernel "$BASE/kernel" -initrd "$BASE/initrd" -append 'root=/dev/vda rw console=ttyS0 panic=-1 quiet systemd.show_status=0' \
    -drive "file=$work/disk,if=virtio" -drive "file=$work/files,if=virtio,format=raw,readonly=on" \
    -serial "file:$work/console" -serial "file:$work/out" </dev/null >&2 || say "the machine ran past $LIMIT s"
  sleep 0.2
  kill "$tail" 2>/dev/null || true
  if ! grep -q '^LAB-END' "$work/out"; then tail -20 "$work/console" >&2; fi
  RESULTS=$(tr -d '\r' <"$work/out" | grep '^LAB-SUM ' || true)
  STARTED=$(wc -c <"$work/out")
  PANICKED=$(grep -c 'Kernel panic' "$work/console" || true)
  ENDED=$(grep -c '^LAB-END' "$work/out" || true)
  rm -rf "$work"
}

run() {
  build
  local tree
  tree=$(mktemp -d "$CACHE/tree.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$tree'" EXIT
  # It is unpacked over /, whose mode it becomes.
  chmod 755 "$tree"
  mkdir -p "$tree/lab"
  compile "$tree/opt/vaina"
  if [ "$1" = shell ]; then
    printf 'cd /opt/vaina\n%s\necho LAB-END\nsystemctl poweroff --force\n' "$2" >"$tree/lab/start"
    boot "$tree"
    return
  fi
  shift
  local -a files=("$@")
  [ $# -gt 0 ] || files=("${SYSTEM_FILES[@]}")
  printf '%s\n' "${files[@]/%.ts/.js}" >"$tree/lab/system-files"
  cp "$HERE/guest.sh" "$tree/lab/start"
  boot "$tree"
  local passed=0 failed=0 skipped=0 _ p f s
  while read -r _ _ p f s; do passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)); done <<<"$RESULTS"
  [ "$ENDED" -gt 0 ] || { say 'the machine did not come to its end'; failed=$((failed + 1)); }
  echo "lab: $passed passed, $failed failed, $skipped skipped"
  [ -z "${LAB_RESULT:-}" ] || printf '{"passes":%d,"failures":%d,"pending":%d}\n' "$passed" "$failed" "$skipped" >"$LAB_RESULT"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

case ${1:-} in
build) build ;;
test) run "$@" ;;
shell) run shell "${*:2}" ;;
*)
  sed -n '2,25p' "$0"
  exit 2
  ;;
esac
