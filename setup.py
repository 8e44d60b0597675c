"""The compiled part of the package, which setup.cfg cannot name. Without a C compiler it is left out."""

from setuptools import Extension, setup

FLAGS = ["-O3", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]
SOURCES = [f"densevision/kernels/{name}.c" for name in ("norm_act", "depthwise", "gate")]

setup(ext_modules=[
    Extension("densevision.kernels._compiled", SOURCES, depends=["densevision/kernels/common.h"],
              extra_compile_args=FLAGS, extra_link_args=["-fopenmp"], optional=True),
])
