# Run by the lab machine, as root, when it has booted: each group of test files as the user it is for.
cd /opt/vaina || exit 1
export CI=true MUST_RUN=1 VAINA_LAB=1 NODE_PATH=/opt/vaina/node_modules
chmod -R a+rX /opt/vaina /lab
MOCHA="/usr/local/bin/node node_modules/mocha/bin/mocha.js --no-config --no-package --timeout 300000 --reporter /opt/vaina/test/support/reporter.cjs"

group() { # NAME: run the files named on stdin with the command in the arguments
  local name=$1 files
  shift
  files=$(cat)
  [ -n "$files" ] || return 0
  echo "== $name"
  # shellcheck disable=SC2086  # words on purpose
  "$@" $MOCHA --reporter-option "name=$name,file=/tmp/lab-$name.done" $files
  # A run that died before it could report counts as one failure.
  [ -f "/tmp/lab-$name.done" ] || echo "LAB-SUM $name 0 1 0"
}

ls test/lab/root*.test.js 2>/dev/null | cat - /lab/system-files | group root env

user=tester
id=$(id -u $user)
loginctl enable-linger $user
for _ in $(seq 120); do [ -S "/run/user/$id/bus" ] && break; sleep 0.5; done
session=(env "XDG_RUNTIME_DIR=/run/user/$id" "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$id/bus" "HOME=/home/$user" PATH=/usr/local/bin:/usr/bin:/bin)
variables=(--setenv=CI=true --setenv=MUST_RUN=1 --setenv=VAINA_LAB=1 "--setenv=HOME=/home/$user")

ls test/lab/session*.test.js 2>/dev/null | group session \
  setpriv --reuid $user --regid $user --init-groups "${session[@]}" \
  systemd-run --user --quiet --wait --pipe --working-directory=/opt/vaina -p Delegate=yes "${variables[@]}"

ls test/lab/service*.test.js 2>/dev/null | group service \
  systemd-run --quiet --wait --pipe --working-directory=/opt/vaina --uid $user -p Delegate=yes "${variables[@]}" \
  --setenv=XDG_RUNTIME_DIR=/run/user/"$id"

ls test/lab/plain*.test.js 2>/dev/null | group plain \
  systemd-run --quiet --wait --pipe --working-directory=/opt/vaina --uid $user "${variables[@]}" \
  --setenv=XDG_RUNTIME_DIR=/run/user/"$id"

echo LAB-END
sync
systemctl poweroff --force
