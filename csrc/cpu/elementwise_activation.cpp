#include "cpu/elementwise.h"
#include "ops/functors_activation.h"

WEFT_CPU_FUNCTORS(activation, functors::Activations)
WEFT_CPU_FUNCTORS(activation_gradient, functors::ActivationGradients)
