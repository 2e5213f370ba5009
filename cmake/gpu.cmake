# The kernels of csrc/cuda: compiled by the host's compiler for the simulated device, always, and
# by nvcc for real ones where it is found.
file(GLOB gpu_sources CONFIGURE_DEPENDS csrc/cuda/*.cu)
file(GLOB sim_sources CONFIGURE_DEPENDS csrc/sim/*.cpp)

# --- sim -------------------------------------------------------------------------------------
# Kernels with planted mistakes, which only the checker's own tests run, and what the checked build
# has in place of backend.cu.
set(only_checked_sources ${gpu_sources})
list(FILTER only_checked_sources INCLUDE REGEX "/(selftest_faults[^/]*|checked_queues)\\.cu$")
list(REMOVE_ITEM gpu_sources ${only_checked_sources})

# The teaching kernels of benchmarks/ladder. Developers' builds have them (pyproject.toml), wheels do
# not.
option(WEFT_LADDER "Build the kernels of benchmarks/ladder too" OFF)
set(ladder ${CMAKE_CURRENT_SOURCE_DIR}/benchmarks/ladder)
set(ladder_sources)
if(WEFT_LADDER)
  file(GLOB ladder_sources CONFIGURE_DEPENDS ${ladder}/*/*.cu)
  target_sources(_C PRIVATE ${ladder}/ladder.cpp)
  set_source_files_properties(${ladder}/ladder.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_source_files_properties(${ladder_sources} PROPERTIES INCLUDE_DIRECTORIES ${ladder})
  list(APPEND gpu_sources ${ladder_sources})
endif()

# A file cannot be C++ for one target and CUDA for another, so sim compiles it through a wrapper.
function(add_sim_kernels build sources)
  set(wrappers)
  foreach(source IN LISTS ${sources})
    cmake_path(GET source STEM stem)
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(GET folder FILENAME folder)
    if(source IN_LIST ladder_sources)
      set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${build}_${folder}/${stem}.cpp)
      set_source_files_properties(${wrapper} PROPERTIES INCLUDE_DIRECTORIES ${ladder})
    else()
      set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${build}/${stem}.cpp)
    endif()
    file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"${folder}/${stem}.cu\"\n" @ONLY)
    list(APPEND wrappers ${wrapper})
  endforeach()
  add_library(weft_${build} OBJECT ${wrappers})
  target_link_libraries(weft_${build} PRIVATE weft_options)
  target_compile_definitions(weft_${build} PRIVATE WEFT_GPU=${build})
  # The kernels wrap around in integer arithmetic as on a GPU; their assertions hold in every build,
  # and line numbers tell where one does not.
  target_compile_options(weft_${build} PRIVATE $<$<NOT:$<BOOL:${WEFT_SANITIZE}>>:-O2> -UNDEBUG -g1 -fwrapv -fno-math-errno -ffp-contract=off
    -fno-optimize-sibling-calls -Wno-unknown-pragmas -Wno-attributes -Wno-psabi ${ARGN})
  target_sources(_C PRIVATE $<TARGET_OBJECTS:weft_${build}>)
endfunction()

target_sources(_C PRIVATE ${sim_sources})
set_source_files_properties(${sim_sources} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
target_link_libraries(_C PRIVATE ${CMAKE_DL_LIBS})
add_sim_kernels(sim gpu_sources)

# The same kernels once more for weft.sim.check(): the compiler calls __tsan_read4 and its relatives
# at every memory access, and csrc/sim/instrumentation.cpp defines those functions (libtsan is not
# linked). It stands last on the link line: where both builds emit the same inline function of the
# library or of std, the linker keeps the plain one, and normal runs are as fast as without it. What
# such a function accesses the checker does not see; what kernels share is always inlined, or works on
# values in registers (Float16::from_float).
option(WEFT_SIM_CHECKED "Build the kernels for weft.sim.check() too" ON)
if(WEFT_SIM_CHECKED AND NOT WEFT_SANITIZE)
  set(checked_sources ${gpu_sources} ${only_checked_sources})
  list(FILTER checked_sources EXCLUDE REGEX "/backend\\.cu$")
  # -O1 takes two thirds of -O2's time to compile; checking costs more than what the rest is worth.
  add_sim_kernels(sim_checked checked_sources -O1
    -fsanitize=thread,bounds,shift-exponent --param=tsan-instrument-func-entry-exit=0
    --param=tsan-distinguish-volatile=1)
  target_compile_definitions(weft_sim_checked PRIVATE WEFT_SIM_CHECKED)
  target_compile_definitions(_C PRIVATE WEFT_HAS_SIM_CHECKED)
endif()

# --- cuda ------------------------------------------------------------------------------------
if(WEFT_CUDA STREQUAL "OFF" OR WEFT_SANITIZE)
  return()
endif()
if(NOT DEFINED ENV{CUDACXX} AND NOT CMAKE_CUDA_COMPILER)
  find_program(WEFT_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(WEFT_NVCC)
    set(ENV{CUDACXX} ${WEFT_NVCC})
  endif()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(WEFT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "WEFT_CUDA=ON, but no working nvcc was found: install the CUDA toolkit 13, "
      "or point CUDACXX at nvcc")
  endif()
  message(STATUS "no nvcc: building without the cuda device (cpu and sim remain)")
  return()
endif()
find_package(CUDAToolkit 12.4 QUIET)
if(NOT CUDAToolkit_FOUND)
  set(found "the CUDA toolkit of ${CMAKE_CUDA_COMPILER} is older than 12.4 (${CUDAToolkit_VERSION})")
  if(WEFT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "WEFT_CUDA=ON, but ${found}: install the CUDA toolkit 13")
  endif()
  message(STATUS "${found}: building without the cuda device (cpu and sim remain)")
  return()
endif()

# sm_90a code runs on Hopper only; the PTX of compute_80 serves everything newer. Files without
# instructions of Hopper's own are translated to that PTX once, and from there to both GPUs: half of
# nvcc's time is spent before the PTX. A list of the builder's own is taken as it is.
set(hopper_sources)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90a-real;80-virtual")
  set(hopper_sources ${gpu_sources})
  list(FILTER hopper_sources INCLUDE REGEX "/(conv2d_wgmma|conv2d_wgmma_weight|matmul_wgmma|selftest_wgmma|selftest_tma)\\.cu$")
endif()
enable_language(CUDA)
# It was created before the language was there, and CMake wants to know for the link.
set_target_properties(_C PROPERTIES CUDA_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}")
# -O1 is for launchers, which the host's compiler gets; kernels are always optimised.
string(REPLACE "-O3" "-O1" CMAKE_CUDA_FLAGS_RELEASE "${CMAKE_CUDA_FLAGS_RELEASE}")
function(add_cuda_kernels name sources architectures)
  add_library(${name} OBJECT ${${sources}})
  set_target_properties(${name} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
    POSITION_INDEPENDENT_CODE ON CUDA_ARCHITECTURES "${architectures}")
  target_include_directories(${name} PRIVATE csrc)
  target_compile_definitions(${name} PRIVATE WEFT_GPU=cuda)
  target_compile_options(${name} PRIVATE --expt-relaxed-constexpr -diag-suppress=186
    -Xfatbin=-compress-all
    -Xcompiler=-fvisibility=hidden)
  target_sources(_C PRIVATE $<TARGET_OBJECTS:${name}>)
endfunction()
set(cuda_sources ${gpu_sources})
if(ladder_sources)
  list(REMOVE_ITEM cuda_sources ${ladder_sources})
  # Once, for the driver to translate: nobody waits for them but who compiles them. Those with
  # instructions of Hopper's own cannot be translated so.
  set(hopper_rungs ${ladder_sources})
  list(FILTER hopper_rungs INCLUDE REGEX "/(10_warpgroups|11_copy_engine|12_divided_labour)\\.cu$")
  list(REMOVE_ITEM ladder_sources ${hopper_rungs})
  add_cuda_kernels(weft_cuda_ladder ladder_sources 80-virtual)
  add_cuda_kernels(weft_cuda_ladder_hopper hopper_rungs "${CMAKE_CUDA_ARCHITECTURES}")
endif()
if(hopper_sources)
  list(REMOVE_ITEM cuda_sources ${hopper_sources})
  add_cuda_kernels(weft_cuda_hopper hopper_sources "${CMAKE_CUDA_ARCHITECTURES}")
  add_cuda_kernels(weft_cuda cuda_sources OFF)
  target_compile_options(weft_cuda PRIVATE
    "--generate-code=arch=compute_80,code=[compute_80,sm_80,sm_90]")
else()
  add_cuda_kernels(weft_cuda cuda_sources "${CMAKE_CUDA_ARCHITECTURES}")
endif()
target_compile_definitions(_C PRIVATE WEFT_HAS_CUDA)
# The runtime is linked statically and keeps its symbols to itself, so that weft can live beside
# PyTorch in one process; it finds the driver itself, and says so when there is none.
target_link_libraries(_C PRIVATE CUDA::cudart_static)
target_link_options(_C PRIVATE -Wl,--exclude-libs,ALL)
