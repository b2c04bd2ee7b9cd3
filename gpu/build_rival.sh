#!/usr/bin/env bash
# The rival of the selective scan, mamba-ssm with its causal-conv1d, as wheels for sm_90 alone: no GPU is needed, and
# neither has a wheel for the PyTorch of a GPU machine. Sources whose wheel is there already are not compiled again.
#   gpu/build_rival.sh PYTHON FOLDER     for this interpreter, which has the GPU machine's CUDA build of PyTorch and its
#                                        setuptools, wheel, packaging and ninja; nvcc of the same CUDA on the PATH
# JOBS=2 compiles two sources at a time (2 GiB of memory each). About 40 minutes of one core; the objects of a build that
# was broken off are kept in FOLDER/sources.
set -euo pipefail
python=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
names=(causal-conv1d==1.7.0 mamba-ssm==2.3.2.post1) # as in requirements-gpu.txt
export MAMBA_FORCE_BUILD=TRUE CAUSAL_CONV1D_FORCE_BUILD=TRUE MAMBA_KEEP_CUDA_BUILD=TRUE MAX_JOBS=${JOBS:-1}
nvcc=$(dirname "$(readlink -f "$(command -v nvcc)")")
export CUDA_HOME=${CUDA_HOME:-/usr/local/cuda}
[ -x "$CUDA_HOME/bin/nvcc" ] || CUDA_HOME=$(dirname "$nvcc")
export NVCC_APPEND_FLAGS=--compress-mode=size LDFLAGS=-Wl,--strip-all
# Headers of cuBLAS and the like, which PyTorch's own headers include, come with it as packages.
CPATH=$("$python" -c 'import nvidia, pathlib; print(*pathlib.Path(nvidia.__path__[0]).glob("*/include"), sep=":")')
export CPATH
for name in "${names[@]}"; do
    file=${name//-/_}
    compgen -G "$folder/${file/==/-}-*.whl" > /dev/null && continue
    source=$folder/sources/${file/==/-}
    if [ ! -d "$source" ]; then
        mkdir -p "$folder/sources"
        "$python" -m pip download -q --no-deps --no-build-isolation --no-binary :all: -d "$folder/sources" "$name"
        tar -xzf "$source.tar.gz" -C "$folder/sources"
        # Nine architectures are written into setup.py; eight of them would take eight times as long. Line numbers make
        # half of a wheel of 40 MiB.
        sed -i -E '/append\("-gencode"\)/{N;/code=sm_90"/!s/^( *).*/\1pass/}; s/"-lineinfo",?//' "$source/setup.py"
        # Only the scan is imported: its other models want packages that a GPU machine may not have, and take seconds.
        [ ! -f "$source/mamba_ssm/__init__.py" ] || sed -i '/import Mamba/d' "$source/mamba_ssm/__init__.py"
    fi
    (cd "$source" && "$python" setup.py -q bdist_wheel -d "$folder")
done
ls -l "$folder"/*.whl
