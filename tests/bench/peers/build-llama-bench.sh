#!/bin/sh
# Builds llama.cpp's own llama-bench and llama-server, natively for this machine, from the sources that the Python package
# llama-cpp-python carries. Needs pip, cmake and a C++ compiler; takes some fifteen minutes of one core.
#
#     sh tests/bench/peers/build-llama-bench.sh     → $CRIA_PEERS/llama-bench, …/llama-server (default: ~/.cache/cria-peers)
set -eu

version=0.3.36
sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
root=${CRIA_PEERS:-"${XDG_CACHE_HOME:-$HOME/.cache}/cria-peers"}
archive=$root/llama_cpp_python-$version.tar.gz
source=$root/llama_cpp_python-$version/vendor/llama.cpp
build=$root/build-$version

mkdir -p "$root"
test -f "$archive" || pip download --quiet --no-deps --no-binary llama-cpp-python --dest "$root" "llama-cpp-python==$version"
echo "$sha256  $archive" | sha256sum --check --quiet
test -d "$source" || tar -xzf "$archive" -C "$root"

cmake -S "$source" -B "$build" \
  -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DGGML_OPENMP=ON \
  -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=ON \
  -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_UI=OFF
nice -n 19 cmake --build "$build" --target llama-bench llama-server --parallel 1
for program in llama-bench llama-server; do
  cp "$build/bin/$program" "$root/$program"
  "$root/$program" --help > /dev/null
  echo "$root/$program"
done
