#!/bin/sh
# Make sure that Qt finds its X11 and OpenGL libraries, and that a virtual X server is there for machines without
# a screen. On Debian and its relatives, as root, what is missing is installed; elsewhere it is named in one sentence.
set -eu

[ "$(uname -s)" = Linux ] || exit 0

missing=
need() { missing="$missing $1"; }

# Every library that Qt's xcb platform and Mesa's software OpenGL load, and the Debian package that brings it.
libraries=$(/sbin/ldconfig -p 2>/dev/null || ldconfig -p)
while read -r library package; do
    case "$libraries" in
        *"$library "*) ;;
        *) need "$package" ;;
    esac
done <<LIBRARIES
libEGL.so.1 libegl1
libGL.so.1 libgl1
libGLX_mesa.so.0 libglx-mesa0
libOpenGL.so.0 libopengl0
libX11-xcb.so.1 libx11-xcb1
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libglib-2.0.so.0 libglib2.0-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-randr.so.0 libxcb-randr0
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
libxcb-xkb.so.1 libxcb-xkb1
libxkbcommon-x11.so.0 libxkbcommon-x11-0
LIBRARIES

if [ -z "${DISPLAY:-}" ]; then
    command -v Xvfb >/dev/null || need xvfb
    command -v xauth >/dev/null || need xauth
fi
# Debian ships Python without the part that makes environments.
python3 -c "import ensurepip" 2>/dev/null || need python3-venv

[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 -- one word per package is wanted
    apt-get install -y -qq --no-install-recommends $missing libgl1-mesa-dri >/dev/null
else
    echo "Missing system packages (Debian names), please install them and run this again:$missing" >&2
    exit 1
fi
