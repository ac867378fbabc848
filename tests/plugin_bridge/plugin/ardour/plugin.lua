-- Open the session, have our plug-in on its track, do what $TODO says in order, save, close.
local ui = ARDOUR.TransportRequestSource.TRS_UI
local session = assert (load_session (os.getenv ("FOLDER"), "song"))
local track = session:route_by_name ("song"):to_track ()
local plugin = track:nth_plugin (0)
if plugin:isnil () then
	local kind = ARDOUR.PluginType[os.getenv ("KIND")]
	plugin = ARDOUR.LuaAPI.new_plugin (session, os.getenv ("NAME"), kind, "")
	assert (track:add_processor_by_index (plugin, 0, nil, true) == 0)
end

-- Parameters by name: libardour counts control ports only.
local numbers, count = {}, 0
local loaded = plugin:to_insert ():plugin (0)
for index = 0, loaded:parameter_count () - 1 do
	if loaded:parameter_is_control (index) then
		numbers[loaded:parameter_label (index)] = count
		count = count + 1
	end
end
local function set (name, value)
	assert (ARDOUR.LuaAPI.set_processor_param (plugin, assert (numbers[name], name), value))
end
local function get (name)
	local value = ARDOUR.LuaAPI.get_processor_param (plugin, assert (numbers[name], name), false)
	return value
end
local function wait (what, look)
	for _ = 1, 600 do
		if look () then return end
		sleep (0.2)
	end
	error (what .. ", Status is " .. get ("Status"))
end

local todo = {}
-- sidechain: connect a track to the first side-chain.
function todo.sidechain (name)
	track:add_sidechain (plugin)
	local input = plugin:to_insert ():sidechain_input ()
	local output = session:route_by_name (name):output ()
	for side = 0, 1 do assert (input:nth (side):connect (output:nth (side):name ()) == 0) end
end
-- capture: let the song play once, from its start to a sample.
function todo.capture (last)
	set ("Capture", 1)
	session:request_locate (0, false, ARDOUR.LocateTransportDisposition.MustStop, ui)
	sleep (1)
	session:request_roll (ui)
	wait ("not played", function () return session:transport_sample () > tonumber (last) end)
	session:request_stop (false, false, ui)
	sleep (1)
	set ("Capture", 0)
	sleep (0.5)
	wait ("no stems", function () return get ("Status") == 6 end)
end
function todo.status (wanted)
	wait ("not so", function () return get ("Status") == tonumber (wanted) end)
end
function todo.on (name) set (name, 1) end
function todo.off (name) set (name, 0) end
-- bounce, stems: what leaves the track, or the plug-in, up to a sample, into a file of this name.
local function bounce (argument, from)
	local last, name = argument:match ("(%d+) (%S+)")
	track:bounce_range (0, tonumber (last), ARDOUR.InterThreadInfo (), from, true, name)
end
function todo.bounce (argument) bounce (argument, track:main_outs ()) end
function todo.stems (argument) bounce (argument, plugin) end

for step, argument in os.getenv ("TODO"):gmatch ("(%l+):([^;]*)") do todo[step] (argument) end
session:save_state ("", false, false, false, false, false)
session:close ()
print ("done")
quit ()
