-- What is selected in the editor, and its audio as files that the server can read.

local library = ...
local notes = assert (loadfile (library .. "notes.lua")) (library)

local sound = {}

local CONTEXT = 10.24 -- seconds on either side that the model can use
local CHECKED = 4096 -- samples compared at each of the places of a region that are looked at
local PLACES = 8
local FADE = 64 -- samples that Ardour fades every region by

local function audio_track (route)
	local track = route:to_track ()
	if track:isnil () or track:to_audio_track ():isnil () then return nil end
	return track
end

local function track_of (region)
	for route in Session:get_tracks ():iter () do
		local track = route:to_track ()
		if not track:playlist ():region_by_id (region:to_stateful ():id ()):isnil () then return track end
	end
end

-- Call a function while what earlier results have muted sounds: it can be asked for once more.
local function lifted (work, ...)
	local ours, regions = notes.muted (), {}
	for route in Session:get_tracks ():iter () do
		for region in route:to_track ():playlist ():region_list ():iter () do
			if region:muted () and ours[region:to_stateful ():id ():to_s ()] then regions[#regions + 1] = region end
		end
	end
	for _, region in ipairs (regions) do region:set_muted (false) end
	local results = table.pack (pcall (work, ...))
	for _, region in ipairs (regions) do region:set_muted (true) end
	if not results[1] then error (results[2], 0) end
	return table.unpack (results, 2, results.n)
end

-- The number of regions on a track that sound anywhere from `first` to `last`.
local function sounding (track, first, last)
	local number = 0
	for region in track:playlist ():region_list ():iter () do
		local from = region:position ():samples ()
		local overlaps = from < last and from + region:length ():samples () > first
		if overlaps and not region:muted () then number = number + 1 end
	end
	return number
end

local function ranges (selection, first, last)
	local pieces = {}
	for route in selection.tracks:routelist ():iter () do
		local track = audio_track (route)
		if track then pieces[#pieces + 1] = { track = track, first = first, last = last } end
	end
	return pieces
end

local function regions (selection)
	local pieces = {}
	for region in selection.regions:regionlist ():iter () do
		local track = not region:to_audioregion ():isnil () and track_of (region)
		if track then
			if region:muted () then error ("The region " .. region:name () .. " is muted: let it sound first.", 0) end
			local first = region:position ():samples ()
			pieces[#pieces + 1] = {
				track = track, region = region:to_audioregion (),
				first = first, last = first + region:length ():samples (),
			}
		end
	end
	return pieces
end

-- The selection as pieces { track, region (nil for a range), first, last }, in samples of the
-- session; a time range counts for every selected track, of which silent ones are left out where
-- `sounding_only` is true. At least one of them sounds.
local function pieces_of_selection (sounding_only)
	local selection = Editor:get_selection ()
	local first, last = selection.time:start_sample (), selection.time:end_sample ()
	local pieces = first < last and ranges (selection, first, last) or regions (selection)
	if #pieces == 0 then
		error ("Select audio regions, or a range on audio tracks.", 0)
	end
	local audible = {}
	for _, piece in ipairs (pieces) do
		if sounding (piece.track, piece.first, piece.last) > 0 then audible[#audible + 1] = piece end
	end
	if #audible == 0 then
		error ("Nothing sounds there: the range has no region on " .. pieces[1].track:name () ..
			", or only muted ones.", 0)
	end
	return sounding_only and audible or pieces
end

function sound.pieces (sounding_only)
	return lifted (pieces_of_selection, sounding_only)
end

-- Where a source's file is. Those that the scripts brought in have a way over / before it, until
-- the session is opened the next time.
local function path_of (source)
	return (source:path ():gsub ("^.*/%.%./", "/"))
end

-- True if the track plays at these samples just what the region's files hold.
local function heard_as_stored (piece, first, count)
	local region, playlist = piece.region, piece.track:playlist ():to_audioplaylist ()
	local heard, mix, gain = ARDOUR.DSP.DspShm (count), ARDOUR.DSP.DspShm (count), ARDOUR.DSP.DspShm (count)
	local stored = ARDOUR.DSP.DspShm (count)
	for channel = 0, region:n_channels () - 1 do
		playlist:read (heard:to_float (0), mix:to_float (0), gain:to_float (0),
			Temporal.timepos_t (first), Temporal.timecnt_t.from_samples (count), channel)
		region:to_readable ():read (stored:to_float (0), first - piece.first, count, channel)
		local a, b = heard:to_float (0):array (), stored:to_float (0):array ()
		for index = 1, count do
			if math.abs (a[index] - b[index]) > 1e-6 then return false end
		end
	end
	return true
end

-- True if a file of the session itself is behind every channel: another might have another rate.
local function is_own_audio (region)
	for channel = 0, region:n_channels () - 1 do
		local source = region:source (channel):to_filesource ()
		if source:isnil () or path_of (source):find (Session:path () .. "/interchange/", 1, true) ~= 1 then
			return false
		end
	end
	return true
end

-- True if the region's files can be sent as they are: no gain, no envelope, no longer fade than the
-- default one, and no other region that sounds at the same time.
local function is_plain (piece)
	local region = piece.region
	if region:scale_amplitude () ~= 1 or region:envelope_active () or not region:opaque ()
		or sounding (piece.track, piece.first, piece.last) > 1 or not is_own_audio (region) then
		return false
	end
	local inner = piece.last - piece.first - 2 * FADE
	local count = math.min (CHECKED, inner)
	if count <= 0 then return false end
	for place = 0, PLACES - 1 do
		local at = piece.first + FADE + (inner - count) * place // (PLACES - 1)
		if not heard_as_stored (piece, at, count) then return false end
	end
	return true
end

local function joined_paths (region)
	local paths, seen = {}, {}
	for channel = 0, region:n_channels () - 1 do
		local path = path_of (region:source (channel):to_filesource ())
		if not seen[path] then
			seen[path] = true
			paths[#paths + 1] = path
		end
	end
	return table.concat (paths, "\t") -- mono files: the channels of one sound, in order
end

-- Write what the track plays before its plug-ins from `first` to `last`, and return the files.
local function bounce (track, first, last)
	local name = string.format ("bandmate-%s-%06d", os.date ("%Y%m%d-%H%M%S"),
		ARDOUR.LuaAPI.monotonic_time () % 1000000)
	local region = track:bounce_range (first, last, ARDOUR.InterThreadInfo (), ARDOUR.LuaAPI.nil_proc (), false, name)
	if region:isnil () then error ("Ardour could not write the audio of " .. track:name (), 0) end
	return joined_paths (region:to_audioregion ())
end

local function last_sample (tracks)
	local last = 0
	for _, track in ipairs (tracks) do
		for region in track:playlist ():region_list ():iter () do
			last = math.max (last, region:position ():samples () + region:length ():samples ())
		end
	end
	return last
end

-- The range with what is around it, as far as the tracks have anything there.
local function with_context (tracks, first, last)
	local around = math.floor (CONTEXT * Session:nominal_sample_rate ())
	local from = math.max (0, first - around)
	return from, math.max (last, math.min (last + around, last_sample (tracks)))
end

-- Return the files of a piece, where it starts in them (samples), and the fades that its stems
-- need: none if the audio has them already, or ends where other audio goes on.
local function files_of (piece)
	if piece.region and is_plain (piece) then
		return joined_paths (piece.region), piece.region:start ():samples (), nil
	end
	local from, to = with_context ({ piece.track }, piece.first, piece.last)
	return bounce (piece.track, from, to), piece.first - from, "none"
end

function sound.files (piece)
	return lifted (files_of, piece)
end

-- Return the files of several tracks from the same moment on, and where `first` is in them.
function sound.aligned (tracks, first, last)
	local from, to = with_context (tracks, first, last)
	local files = {}
	for index, track in ipairs (tracks) do files[index] = lifted (bounce, track, from, to) end
	return files, first - from
end

-- The tracks of the pieces, each once, and the range that covers them all.
function sound.span (pieces)
	local tracks, seen, first, last = {}, {}, math.huge, 0
	for _, piece in ipairs (pieces) do
		local id = piece.track:to_stateful ():id ():to_s ()
		if not seen[id] then
			seen[id] = true
			tracks[#tracks + 1] = piece.track
		end
		first, last = math.min (first, piece.first), math.max (last, piece.last)
	end
	return tracks, first, last
end

return sound
