#!/bin/sh
# Puts programs and the shared libraries that they need into FOLDER, at their places, with the licences of the packages they are from:
#     tools.sh FOLDER PROGRAM...
# Left out is what every base image for Node has because Node itself needs it: the C library has to be the base's own.
set -eu
folder=$1
shift
in_base='libc6 libgcc-s1 libstdc++6'

# copy FILE MODE. /bin and /lib are links into /usr here, and may be folders in the base and in what dpkg knows; the loader looks into both.
copy() {
  real=$(readlink -f "$1")
  package=$(dpkg-query --search "$real" 2>/dev/null || dpkg-query --search "${real#/usr}")
  package=${package%%:*}
  case " $in_base " in *" $package "*) return ;; esac
  install -D -m "$2" "$1" "$folder/usr/${1#/usr}"
  install -D -m 644 -t "$folder/usr/share/doc/$package" "/usr/share/doc/$package/copyright"
}

for program; do
  copy "$program" 755
  needed=$(ldd "$program")
  case $needed in *'not found'*) echo "$program: $needed" >&2 && exit 1 ;; esac
  for library in $(echo "$needed" | awk '$2 == "=>" { print $3 }'); do
    copy "$library" 644
  done
done
