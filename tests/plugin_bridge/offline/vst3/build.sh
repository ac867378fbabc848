#!/bin/sh
# build.sh OUT NAME [-DVARIANT]: builds the test plug-in as OUT/NAME.vst3 in about 3 s.
# Needs g++ and Debian's dpf-source (the DISTRHO plug-in framework, ISC licence).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dpf=/usr/share/dpf
place="$1/$2.vst3/Contents/$(uname -m)-linux"
mkdir -p "$place"
g++ -w -std=gnu++17 -O2 -fPIC -shared -fvisibility=hidden -DNDEBUG -DHAVE_PTHREADS \
  -DDISTRHO_PLUGIN_TARGET_VST3 ${3:-} -I"$here" -I$dpf/distrho "$here/plugin.cpp" \
  $dpf/distrho/DistrhoPluginMain.cpp -o "$place/$2.so" -ldl -lpthread \
  -Wl,--version-script=$dpf/utils/symbols/vst3.version
