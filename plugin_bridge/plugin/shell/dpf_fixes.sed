# For DistrhoPluginVST3.cpp and DistrhoPluginCLAP.cpp of DPF 1.6; see dpf_fixes.hpp.
s|for (int32_t j = 0; j < data->inputs->num_channels; ++j)|for (int32_t j = 0; j < DISTRHO_PLUGIN_NUM_INPUTS; ++j)|
s|for (int32_t j = 0; j < data->outputs->num_channels; ++j)|for (int32_t j = 0; j < DISTRHO_PLUGIN_NUM_OUTPUTS; ++j)|
s|while (!fEnabledInputs\[i\] \&\& |while (false \&\& |
s|while (!fEnabledOutputs\[i\] \&\& |while (false \&\& |
s|= data->inputs->channel_buffers_32\[j\];|= bandmateChannel(data->inputs, data->num_input_buses, j, fDummyAudioBuffer);|
s|= data->outputs->channel_buffers_32\[j\];|= bandmateChannel(data->outputs, data->num_output_buses, j, fDummyAudioBuffer);|
s|fTimePosition.frame = process->steady_time >= 0 ? process->steady_time : 0;|fTimePosition.frame = bandmateFrame(*transport, (transport->flags \& CLAP_TRANSPORT_HAS_SECONDS_TIMELINE) != 0, fPlugin.getSampleRate(), process->steady_time);|
