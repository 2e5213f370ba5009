# The kernels of csrc/cuda: compiled by the host's compiler for the simulated device, always, and
# by nvcc for real ones where it is found.
file(GLOB gpu_sources CONFIGURE_DEPENDS csrc/cuda/*.cu)
file(GLOB sim_sources CONFIGURE_DEPENDS csrc/sim/*.cpp)

# --- sim -------------------------------------------------------------------------------------
# A file cannot be C++ for one target and CUDA for another, so sim compiles it through a wrapper.
function(add_sim_kernels build)
  set(wrappers)
  foreach(source IN LISTS gpu_sources)
    cmake_path(GET source STEM stem)
    set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${build}/${stem}.cpp)
    file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"cuda/${stem}.cu\"\n" @ONLY)
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
target_link_libraries(_C PRIVATE ${CMAKE_DL_LIBS})
add_sim_kernels(sim)

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

# sm_90a code runs on Hopper only; the PTX of compute_80 serves everything newer.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90a-real;80-virtual")
endif()
enable_language(CUDA)
find_package(CUDAToolkit 12.4 REQUIRED)
add_library(weft_cuda OBJECT ${gpu_sources})
set_target_properties(weft_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
  POSITION_INDEPENDENT_CODE ON)
target_include_directories(weft_cuda PRIVATE csrc)
target_compile_definitions(weft_cuda PRIVATE WEFT_GPU=cuda)
target_compile_options(weft_cuda PRIVATE --expt-relaxed-constexpr -diag-suppress=186
  -Xfatbin=-compress-all
  -Xcompiler=-fvisibility=hidden)
target_sources(_C PRIVATE $<TARGET_OBJECTS:weft_cuda>)
target_compile_definitions(_C PRIVATE WEFT_HAS_CUDA)
# The runtime is linked statically and keeps its symbols to itself, so that weft can live beside
# PyTorch in one process; it finds the driver itself, and says so when there is none.
target_link_libraries(_C PRIVATE CUDA::cudart_static)
target_link_options(_C PRIVATE -Wl,--exclude-libs,ALL)
