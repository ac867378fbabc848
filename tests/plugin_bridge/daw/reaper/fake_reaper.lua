-- A REAPER of tables for one run of a script. `signatures` (name -> letters of its parameters)
-- comes from the API's index: an unknown name, a wrong number or type of arguments is an error.
-- The state that a test sets and reads: `project`. What ReaScript calls go out by `print`.

local function kind (value)
	if math.type (value) == "integer" then return "i" end
	return ({ number = "n", string = "s", boolean = "b" })[type (value)] or "u"
end

local function fits (want, value)
	local has = kind (value)
	return want == "u" or want == has or want == "n" and has == "i" or want == "s" and has == "i"
		or want == "i" and has == "n" and value == math.floor (value)
end

local function check (name, wanted, ...)
	local number = select ("#", ...)
	if number > #wanted then error (name .. " takes " .. #wanted .. " arguments, not " .. number, 3) end
	for index = 1, #wanted do
		local want, value = wanted[index], (select (index, ...))
		local optional = want:sub (1, 1) == "?"
		if index > number or value == nil then
			if not optional and want ~= "u" then error (name .. " wants argument " .. index, 3) end
		elseif not fits (want:sub (-1), value) then
			error (name .. ": argument " .. index .. " is " .. tostring (value) .. ", wants " .. want, 3)
		end
	end
end

local api, deferred = {}, {}

function api.get_action_context () return true, project.script, 0, 0, 0, 0, 0 end
function api.time_precise () return os.clock () + 1000 end
function api.defer (work) deferred[#deferred + 1] = work end
function api.MB (text, _, kind_of_box)
	print ("MESSAGE " .. text:gsub ("\n", " "))
	return kind_of_box == 4 and 6 or 1
end
function api.GetUserInputs (title, fields, captions, values)
	print ("DIALOG " .. title .. ": " .. captions .. " = " .. values)
	return project.answers ~= nil, project.answers or values
end
function api.GetProjectPathEx () return project.folder end
function api.GetProjectName () return "song.rpp" end
function api.GetSetProjectInfo (_, name) return ({ PROJECT_SRATE_USE = 1, PROJECT_SRATE = project.rate })[name] end
function api.GetAudioDeviceInfo () return false, "" end
function api.RecursiveCreateDirectory (path) os.execute ("mkdir -p '" .. path .. "'") return 1 end
function api.EnumerateFiles (path, index)
	local pipe = io.popen ("ls '" .. path .. "' 2>/dev/null")
	local names = {}
	for name in pipe:lines () do names[#names + 1] = name end
	pipe:close ()
	return names[index + 1]
end
function api.ExecProcess (command)
	local pipe = io.popen (command .. " 2>&1")
	local text = pipe:read ("a")
	local _, _, status = pipe:close ()
	return status .. "\n" .. text
end
function api.GetSet_LoopTimeRange (set)
	assert (set == false)
	return project.range[1], project.range[2]
end
local function selected (things)
	local found = {}
	for _, thing in ipairs (things) do
		if thing.selected then found[#found + 1] = thing end
	end
	return found
end
local function items ()
	local all = {}
	for _, track in ipairs (project.tracks) do
		for _, item in ipairs (track.items) do all[#all + 1] = item end
	end
	return all
end
function api.CountSelectedTracks () return #selected (project.tracks) end
function api.GetSelectedTrack (_, index) return selected (project.tracks)[index + 1] end
function api.CountSelectedMediaItems () return #selected (items ()) end
function api.GetSelectedMediaItem (_, index) return selected (items ())[index + 1] end
function api.GetMediaItem_Track (item)
	for _, track in ipairs (project.tracks) do
		for _, other in ipairs (track.items) do
			if other == item then return track end
		end
	end
end
function api.CountTracks () return #project.tracks end
function api.GetTrack (_, index) return project.tracks[index + 1] end
function api.GetTrackName (track) return true, track.name end
function api.InsertTrackAtIndex (index) table.insert (project.tracks, index + 1, { name = "", items = {} }) end
function api.GetSetMediaTrackInfo_String (track, name, value, set)
	assert (name == "P_NAME" and set)
	track.name = value
	return true, value
end
function api.CountTrackMediaItems (track) return #track.items end
function api.GetTrackMediaItem (track, index) return track.items[index + 1] end
function api.SplitMediaItem (item, position)
	local length = position - item.D_POSITION
	local right = { D_POSITION = position, D_LENGTH = item.D_LENGTH - length, take = item.take }
	table.insert (api.GetMediaItem_Track (item).items, right)
	item.D_LENGTH = length
	return right
end
function api.AddMediaItemToTrack (track)
	track.items[#track.items + 1] = {}
	return track.items[#track.items]
end
function api.AddTakeToMediaItem (item)
	item.take = {}
	return item.take
end
local DEFAULTS = {
	D_VOL = 1, B_MUTE = 0, B_LOOPSRC = 0, D_FADEINLEN = 0.01, D_FADEOUTLEN = 0.01,
	D_PLAYRATE = 1, D_PITCH = 0, I_CHANMODE = 0, D_STARTOFFS = 0,
}
local function value_of (thing, name)
	return thing[name] or assert (DEFAULTS[name], "no such value: " .. name)
end
api.GetMediaItemInfo_Value = value_of
api.GetMediaItemTakeInfo_Value = value_of
function api.SetMediaItemInfo_Value (item, name, value) item[name] = value return true end
function api.GetActiveTake (item) return item.take end
function api.GetMediaItemTake_Source (take) return take.source end
function api.SetMediaItemTake_Source (take, source) take.source = source return true end
function api.GetSetMediaItemTakeInfo_String () return true, "" end
function api.GetMediaSourceType () return "WAVE" end
function api.GetMediaSourceFileName (source) return source.file end
function api.GetMediaSourceLength (source) return source.length or 0, false end
function api.PCM_Source_CreateFromFile (file)
	local found = io.open (file, "rb")
	if not found then return nil end
	found:close ()
	return { file = file }
end
function api.PCM_Source_BuildPeaks () return 0 end
for _, name in ipairs ({ "Undo_BeginBlock", "Undo_EndBlock", "PreventUIRefresh", "UpdateArrange" }) do
	api[name] = function () end
end
-- Sound: every track plays a ramp, so that a wrong offset shows.
function api.CreateTrackAudioAccessor (track) return { track = track } end
function api.DestroyAudioAccessor () end
function api.new_array (size)
	local array = {}
	array.clear = function () for index = 1, size do array[index] = 0 end end
	array.table = function ()
		local copy = {}
		for index = 1, size do copy[index] = array[index] end
		return copy
	end
	return array
end
function api.GetAudioAccessorSamples (_, rate, channels, start, number, buffer)
	for frame = 0, number - 1 do
		local at = math.floor (start * rate + 0.5) + frame
		for channel = 1, channels do
			buffer[frame * channels + channel] = 0.4 * math.sin (at * 0.05 * channel)
		end
	end
	return 1
end

reaper = setmetatable ({}, { __index = function (_, name)
	local wanted = signatures[name] or error ("there is no reaper." .. name, 2)
	local work = api[name] or error ("this test has no reaper." .. name, 2)
	return function (...)
		check (name, wanted, ...)
		return work (...)
	end
end })

-- Run a script, and what it deferred, until nothing is left.
function run_script ()
	dofile (project.script)
	local stop = os.time () + project.seconds
	while #deferred > 0 and os.time () < stop do
		table.remove (deferred, 1) ()
		os.execute ("sleep 0.05")
	end
	if #deferred > 0 then print ("STILL WAITING") end
	for _, track in ipairs (project.tracks) do
		local item = track.items[1] or {}
		local source = item.take and item.take.source or {}
		print ("TRACK", track.name, #track.items, item.D_POSITION, source.file)
		for _, each in ipairs (track.items) do
			print ("ITEM", track.name, each.D_POSITION, each.D_LENGTH, each.B_MUTE or 0, each.D_FADEINLEN or 0)
		end
	end
end
