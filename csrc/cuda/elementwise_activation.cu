#include "cuda/elementwise.h"
#include "ops/functors_activation.h"

WEFT_GPU_FUNCTORS(activation, functors::Activations)
WEFT_GPU_FUNCTORS(activation_gradient, functors::ActivationGradients)
