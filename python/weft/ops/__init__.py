"""Operations on tensors: one module per family, one line here per module."""

from weft.ops.activation import *
from weft.ops.arithmetic import *
from weft.ops.cast import *
from weft.ops.comparison import *
from weft.ops.conv import *
from weft.ops.creation import *
from weft.ops.diagonal import *
from weft.ops.dropout import *
from weft.ops.einsum import *
from weft.ops.elementwise import *
from weft.ops.indexing import *
from weft.ops.join import *
from weft.ops.loss import *
from weft.ops.matmul import *
from weft.ops.normalization import *
from weft.ops.pool import *
from weft.ops.rectifier import *
from weft.ops.reduction import *
from weft.ops.repetition import *
from weft.ops.scatter import *
from weft.ops.search import *
from weft.ops.shape import *
from weft.ops.softmax import *
from weft.ops.sort import *
from weft.ops.trigonometry import *
