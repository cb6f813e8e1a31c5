// The exports of the kernel module: the functions of `Kernels` in abi.ts.

export { gemm, packPanels } from './gemm';
export { gruForward, gruBackward, lstmForward, lstmBackward, previousSteps, rnnForward, rnnBackward } from './recurrent';
export { attention, cachedAttention, attentionGrad, rotary } from './attention';
export {
  batchMoments,
  batchNormGrad,
  channelNorm,
  channelScaleGrad,
  groupMoments,
  groupNormGrad,
  runningMoments,
  updateRunning,
  vectorMoments,
  vectorNorm,
  vectorNormGrad,
  vectorScaleGrad,
} from './normalization';
export { embed, storeRows, embedGrad } from './embedding';
export { conv2d, conv2dInputGrad, conv2dWeightGrad } from './convolution';
export { depthwiseConv2d, depthwiseConv2dInputGrad, depthwiseConv2dWeightGrad } from './depthwise';
export {
  averagePool2d,
  averagePool2dGrad,
  maxPool2d,
  maxPool2dGrad,
  upsample2d,
  upsample2dGrad,
} from './pooling';
export {
  add,
  addBias,
  addScaled,
  affine,
  atLeast,
  clipValue,
  copy,
  copyColumns,
  copyStrided,
  fill,
  mul,
  mulChannels,
  mulRows,
  scaleBy,
  sub,
} from './elementwise';
export {
  elu,
  eluGrad,
  exp,
  geluErf,
  geluErfGrad,
  geluTanh,
  geluTanhGrad,
  hardSigmoid,
  hardSigmoidGrad,
  hardSilu,
  hardSiluGrad,
  hardTanh,
  hardTanhGrad,
  leakyRelu,
  leakyReluGrad,
  log,
  mish,
  mishGrad,
  relu,
  relu6,
  relu6Grad,
  reluGrad,
  selu,
  seluGrad,
  sigmoid,
  sigmoidGrad,
  silu,
  siluGrad,
  softplus,
  softplusGrad,
  softsign,
  softsignGrad,
  tanh,
  tanhGrad,
} from './activations';
export { clipScale, columnSum, dotChunks, notFinite, sumSquaresChunks } from './reductions';
export {
  correct,
  logSoftmax,
  logSoftmaxGrad,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyBend,
  softmaxCrossEntropyGrad,
  softmaxGrad,
} from './rows';
export { valueLoss, valueLossBend, valueLossGrad } from './losses';
export {
  cosineLoss,
  cosineLossGrad,
  divergence,
  divergenceGrad,
  focalCrossEntropy,
  focalCrossEntropyGrad,
  marginLoss,
  marginLossGrad,
} from './row-losses';
export { pairLoss, pairLossGrad } from './pair-losses';
export { fillFromStep, gatherRows, gatherRowsU8, meanRows } from './batches';
export { accumulate, adamUpdate, amsgradUpdate, averageUpdate, momentumUpdate, sgdUpdate } from './optimizers';
export { adadeltaUpdate, adagradUpdate, rmspropUpdate } from './adagrad';
export { adamaxUpdate, nadamUpdate, radamUpdate } from './adam-variants';
export { lambDirection, lambUpdate } from './lamb';
export { lionUpdate } from './lion';
export { dropout, randomNormal, randomUniform } from './philox';
export { fmaPeak } from './fma-peak';
